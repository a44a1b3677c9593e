import ArgumentParser
import Foundation
import PowerInferPlatform

/// The command line's root.
@main
struct PowerInfer: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "powerinfer",
    abstract: "Run large language models on your own computer.",
    discussion: """
      Examples:
        powerinfer run "What is the capital of France?"      answer one prompt with the embedded model
        powerinfer run                             chat
        powerinfer run -m model.gguf -f notes.txt  answer a prompt from a file with another model
        powerinfer serve                           answer over HTTP
        powerinfer bench -m model.gguf             measure its speed
        powerinfer perplexity -f notes.txt         measure how well a model predicts a text

      Every flag with a variable behind it says so in the help of its command; a flag wins over its variable.
      """,
    version: "0.1.0",
    subcommands: [
      Run.self, Serve.self, Inspect.self, Tokenize.self, RenderTemplate.self, Logits.self, Perplexity.self, Bench.self,
      Convert.self, ImportanceCommand.self, Quantize.self, Calibrate.self, ProfileNeurons.self, TrainPredictor.self,
      Place.self, Plan.self, Devices.self,
    ])

  /// Runs the command that the arguments name; every failure ends with one sentence on standard error.
  static func main() {
    // A closed pipe shows where we write to it.
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try parse(ProcessInput.arguments)
      // Not for the parser's own command, which shows help.
      if configuration.subcommands.contains(where: { $0 == type(of: command) }) {
        try Environment().checkMachineVariables()
      }
      try command.run()
    } catch is OutputClosed {
      // Whoever read the output has enough of it.
    } catch  where UsageMistake.isCause(of: error) {
      StandardOutput.note("Error: \(error)\n")
      exit(withError: ExitCode.validationFailure)
    } catch  where "\(error)".hasSystemBytes {
      StandardOutput.note("Error: \(error)\n")
      exit(withError: ExitCode.failure)
    } catch {
      exit(withError: error)
    }
  }

  /// The command that the arguments name.
  ///
  /// - Throws: as `parseAsRoot`; of a flag that other programs have, a sentence that says why it is not here.
  private static func parse(_ arguments: [String]) throws -> any ParsableCommand {
    // The parser takes -hf for -h and -f, and shows help.
    if let flag = ForeignFlags.takenForHelp(arguments), let sentence = ForeignFlags.sentence(flag) {
      throw ValidationError(sentence)
    }
    do {
      return try parseAsRoot(arguments)
    } catch {
      let flag = ForeignFlags.cause(of: message(for: error), arguments)
      guard let sentence = flag.flatMap(ForeignFlags.sentence) else { throw error }
      throw ValidationError(sentence)
    }
  }
}
