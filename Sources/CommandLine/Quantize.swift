import ArgumentParser
import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferKernels
import PowerInferModel
import PowerInferPlatform
import PowerInferToolkit

/// `powerinfer quantize`: a model again, in smaller types.
struct Quantize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a model again with its weights in another type.",
    discussion: """
      Types: f32, f16, bf16, q8_0, q6_K, q5_K, q5_1, q5_0, q4_K, q4_1, q4_0. Mixes, which give some weights more bits, as in \
      llama.cpp: q4_K_S, q4_K_M, q5_K_S, q5_K_M. All metadata is kept, and a PowerInfer file stays one. Weights whose rows \
      are no multiple of 256 become q5_0 for q4_K, q5_1 for q5_K and q8_0 for q6_K.

      Less is lost with --imatrix, which makes errors small where powerinfer imatrix found that they matter, and least with \
      --compensate, which reads texts with the model and lets the weights of a row make up for each other's errors (GPTQ). \
      Neither makes the result larger or slower.

      Examples:
        powerinfer quantize model-f16.gguf model-q4_0.gguf q4_0
        powerinfer quantize model-f16.gguf model.gguf q4_0 --output-type f16
        powerinfer quantize model-f16.gguf model.gguf q4_0 --tensor-type "attn_v=q8_0" --tensor-type "blk\\.0\\.=f16"
        powerinfer quantize model-f16.gguf model.gguf q4_K_M --imatrix model.imatrix.gguf
        powerinfer quantize model-f16.gguf model.gguf q4_0 --compensate documents.txt --chunks 100
      """)

  @Argument(help: "The model to read; of a model in parts, any part.", completion: .file())
  var input: String

  @Argument(help: "The file to write.", completion: .file())
  var output: String

  @Argument(help: "The type of the weights, or a mix.")
  var type: String

  @Option(
    help: ArgumentHelp(
      "The type of the output matrix (the embeddings, where they are also the output).", valueName: "type"))
  var outputType: String?

  @Option(
    help: "PATTERN=TYPE: the type of weights in whose name the regular expression is found; the first that fits counts."
  )
  var tensorType: [String] = []

  @Flag(help: "Give all weights the same type: the output matrix, too, and those that a mix gives another.")
  var pure = false

  @Option(
    help: ArgumentHelp("An importance matrix: which columns matter.", valueName: "file"), completion: .file())
  var imatrix: String?

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "A text for the model to read, so that errors can make up for each other; - is standard input. May be given several "
        + "times.", valueName: "text"),
    completion: .file())
  var compensate: [String] = []

  @OptionGroup(title: "Texts to compensate on") var cut: TextCutFlags

  @Flag(help: "Say what would become of the tensors, and write nothing.")
  var dryRun = false

  @OptionGroup var threadOption: ThreadOption

  @Flag(help: "Print what was done to each tensor as JSON.")
  var json = false

  func validate() throws {
    if pure, outputType != nil { throw ValidationError("Give either --pure or --output-type, not both.") }
    if imatrix != nil, !compensate.isEmpty { throw ValidationError("Give either --imatrix or --compensate, not both.") }
    _ = try options
  }

  func run() throws {
    let settings = try cut.settings(threadOption)
    let file = try GGUFFile(opening: input)
    let (guide, source) = try guide(file, settings)
    let quantizer = try Quantizer(
      file, options: options, guide: guide, team: ThreadTeam(workers: settings.threads ?? Processors.recommended))
    if dryRun {
      try show(quantizer.outlook, output: "\(output) (not written)")
      return
    }
    let bar = ProgressBar.onTerminal("Quantizing")
    let readingBar = ProgressBar.onTerminal("Reading")
    defer { bar.finish() }
    defer { readingBar.finish() }
    let cancellation = CancellationFlag()
    let interrupts = Interrupts(cancelling: cancellation)
    defer { withExtendedLifetime(interrupts) {} }
    let report = try quantizer.write(
      to: output, step: step(source), reading: readingBar.update,
      progress: { bar.update($0 / 1_000_000, of: $1 / 1_000_000) },
      isCancelled: { cancellation.isRaised })
    bar.finish()
    try show(report, output: output)
  }

  private func show(_ report: QuantizeReport, output: String) throws {
    if json {
      try StandardOutput.write(JSON.text(report) + "\n")
    } else {
      for note in report.notes { StandardOutput.note("Note: \(note)\n") }
      try StandardOutput.write(report.text(from: input, to: output))
    }
  }

  /// What tells which errors matter, and its part of the line of history.
  private func guide(_ file: GGUFFile, _ settings: EngineOptions) throws -> (QuantizeGuide, source: String?) {
    if let imatrix {
      let line = FileDigest.line(name: imatrix, content: try InputFile.data(imatrix))
      return (.importance(try ImportanceMatrix(reading: imatrix), path: imatrix), "importance matrix \(line)")
    }
    guard !compensate.isEmpty else { return (.none, nil) }
    let model = try LanguageModel(file: file)
    let (text, _, lines) = try cut.texts(compensate).read(for: model)
    let compensation = try ErrorCompensation(model: model, text: text, options: settings)
    return (
      .compensation(compensation),
      "errors compensated on \(text.chunkCount) chunks of \(text.contextSize) tokens of "
        + lines.joined(separator: ", ")
    )
  }

  /// The line of history.
  private func step(_ source: String?) throws -> String {
    let options = try options
    var parts = ["quantize \(options.name)"]
    if let type = options.outputType { parts.append("output \(type.name)") }
    parts += options.overrides.map { "\($0.pattern)=\($0.type.name)" }
    if let source { parts.append(source) }
    return parts.joined(separator: ", ")
  }

  private var options: QuantizeOptions {
    get throws {
      do throws(QuantizeError) {
        var options = try QuantizeOptions(named: type)
        options.isPure = pure
        if let outputType { options.outputType = try QuantizeOptions.type(named: outputType) }
        for text in tensorType { options.overrides.append(try TensorTypeOverride(text)) }
        return options
      } catch {
        throw ValidationError(error.description)
      }
    }
  }
}
