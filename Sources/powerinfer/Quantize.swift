import ArgumentParser
import GGUF
import Inference
import Kernels
import Platform
import Toolkit

/// `powerinfer quantize`: a model again, in smaller types.
struct Quantize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a model again with its weights in another type.",
    discussion: """
      Types: f32, f16, bf16, q8_0, q6_K, q5_K, q5_1, q5_0, q4_K, q4_1, q4_0. All metadata is kept, and a PowerInfer file \
      stays one. Weights whose rows are no multiple of 256 become q5_0 for q4_K, q5_1 for q5_K and q8_0 for q6_K.

      Examples:
        powerinfer quantize model-f16.gguf model-q4_0.gguf q4_0
        powerinfer quantize model-f16.gguf model.gguf q4_0 --output-type f16
        powerinfer quantize model-f16.gguf model.gguf q4_0 --tensor-type "attn_v=q8_0" --tensor-type "blk\\.0\\.=f16"
      """)

  @Argument(help: "The model to read; of a model in parts, any part.", completion: .file())
  var input: String

  @Argument(help: "The file to write.", completion: .file())
  var output: String

  @Argument(help: "The type of the weights.")
  var type: String

  @Option(
    help: ArgumentHelp(
      "The type of the output matrix (the embeddings, where they are also the output).", valueName: "type"))
  var outputType: String?

  @Option(
    help: "PATTERN=TYPE: the type of weights in whose name the regular expression is found; the first that fits counts."
  )
  var tensorType: [String] = []

  @Flag(help: "Give the output matrix the same type as the others.")
  var pure = false

  @OptionGroup var threadOption: ThreadOption

  @Flag(help: "Print what was done to each tensor as JSON.")
  var json = false

  func validate() throws {
    if pure, outputType != nil { throw ValidationError("Give either --pure or --output-type, not both.") }
    _ = try options
  }

  func run() throws {
    let threads = try threadOption.resolve()
    let file = try GGUFFile(opening: input)
    let quantizer = try Quantizer(
      file, options: options, team: ThreadTeam(workers: threads ?? Processors.recommended))
    let bar = ProgressBar.onTerminal("Quantizing")
    defer { bar.finish() }
    let cancellation = CancellationFlag()
    let interrupts = Interrupts(cancelling: cancellation)
    defer { withExtendedLifetime(interrupts) {} }
    let report = try quantizer.write(
      to: output, progress: { bar.update($0 / 1_000_000, of: $1 / 1_000_000) },
      isCancelled: { cancellation.isRaised })
    bar.finish()

    if json {
      try StandardOutput.write(JSON.text(report) + "\n")
    } else {
      for note in report.notes { StandardOutput.note("Note: \(note)\n") }
      try StandardOutput.write(report.text(from: input, to: output))
    }
  }

  private var options: QuantizeOptions {
    get throws {
      do throws(QuantizeError) {
        var options = QuantizeOptions(type: try QuantizeOptions.type(named: type), isPure: pure)
        if let outputType { options.outputType = try QuantizeOptions.type(named: outputType) }
        for text in tensorType { options.overrides.append(try TensorTypeOverride(text)) }
        return options
      } catch {
        throw ValidationError(error.description)
      }
    }
  }
}
