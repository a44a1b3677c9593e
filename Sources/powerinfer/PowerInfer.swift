import ArgumentParser

/// The command line's root.
@main
struct PowerInfer: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "powerinfer",
    abstract: "Run large language models on a PC: the hot neurons on the GPU, the cold ones on the CPU when they fire.",
    discussion: """
      Examples:
        powerinfer run "Why is the sky blue?"      answer one prompt with the embedded model
        powerinfer run                             chat
        powerinfer run -m model.gguf -f notes.txt  answer a prompt from a file with another model
        powerinfer bench -m model.gguf             measure its speed

      Every flag with a variable behind it says so in the help of its command; a flag wins over its variable.
      """,
    version: "0.1.0",
    subcommands: [Run.self, Tokenize.self, RenderTemplate.self, Logits.self, Bench.self])
}
