import ArgumentParser
import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferModel
import PowerInferPlatform
import PowerInferToolkit

/// `powerinfer imatrix`: how large the inputs of a model's matrices are.
struct ImportanceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "imatrix",
    abstract: "Measure which columns of a model's weights matter.",
    discussion: """
      Runs texts through the model and sums, for every column of every matrix, the squares of what it is multiplied with. \
      powerinfer quantize --imatrix makes errors smaller where that is large. The file is an importance matrix as llama.cpp \
      has them (GGUF); either program reads the other's.

      The texts should be like those that the model is for: some hundred chunks of documents and chats. They are cut \
      into chunks as by powerinfer perplexity.

      It is saved beside the model as NAME.imatrix.gguf, or where --output says.

      Examples:
        powerinfer imatrix model-f16.gguf -f documents.txt
        powerinfer imatrix model-f16.gguf -f documents.txt chats.txt --parse-special -o both.imatrix.gguf
        powerinfer quantize model-f16.gguf model-q4_0.gguf q4_0 --imatrix both.imatrix.gguf
      """)

  @OptionGroup var survey: SurveyOptions

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("Where to save it. (default: beside the model)", valueName: "file"),
    completion: .file(extensions: ["gguf"]))
  var output: String?

  @Flag(help: "Measure the input of the output matrix, too.")
  var processOutput = false

  func run() throws {
    let settings = try survey.settings()
    let path = try survey.locate()
    let model = try LanguageModel(opening: path, residency: .automatic)
    let target = output ?? Self.defaultPath(model: model.file.paths.first ?? path)
    try survey.check(output: target, model: model)
    let (text, names, _) = try survey.cut.texts(survey.text.file).read(for: model)
    let reading = try ImportanceSurvey(model: model, text: text, named: names, options: settings)
    let cancellation = CancellationFlag()
    let interrupts = Interrupts(cancelling: cancellation)
    defer { withExtendedLifetime(interrupts) {} }

    let start = Generator.monotonicSeconds()
    let bar = ProgressBar.onTerminal("Reading")
    defer { bar.finish() }
    let matrix = try reading.run(
      includesOutput: processOutput, progress: bar.update, isCancelled: { cancellation.isRaised })
    bar.finish()
    try matrix.write(to: target)

    let report = ImportanceReport(
      model: URL(filePath: path).lastPathComponent, texts: names, chunks: matrix.chunkCount,
      contextSize: matrix.chunkSize, tensors: matrix.entries.count, threads: reading.threads,
      seconds: Generator.monotonicSeconds() - start, output: target)
    if survey.json {
      try StandardOutput.write(JSON.text(report) + "\n")
    } else if !survey.quiet {
      try StandardOutput.write(report.text)
    }
  }

  /// `MODEL.gguf` becomes `MODEL.imatrix.gguf`.
  static func defaultPath(model path: String) -> String {
    (path.hasSuffix(".gguf") ? String(path.dropLast(".gguf".count)) : path) + ".imatrix.gguf"
  }
}

/// What an importance matrix was made of.
struct ImportanceReport: Encodable {
  var model: String
  var texts: [String]
  var chunks: Int
  var contextSize: Int
  var tensors: Int
  var threads: Int
  var seconds: Double
  var output: String

  var text: String {
    "\(output): \(tensors) tensors, \(chunks) chunks of \(contextSize) tokens, "
      + String(format: "%.1f", seconds) + " seconds\n"
  }
}
