import ArgumentParser
import PowerInferGGUF
import PowerInferPlatform
import PowerInferToolkit

/// `powerinfer inspect`: what is in a model file.
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the metadata and the tensors of a model file.",
    discussion: """
      Shows besides what a file says of sparsity: its predictors, profiles and thresholds (its own and those that lie beside \
      it), the neurons of a GPU index, and the steps by which the file came about.

      Examples:
        powerinfer inspect
        powerinfer inspect model.gguf
        powerinfer inspect --metadata model.gguf
        powerinfer inspect --json --full model.gguf
        powerinfer inspect model-00001-of-00003.gguf
      """)

  @Argument(
    help: "The file (GGUF or PowerInfer GGUF), instead of --model; for a model in parts, any part.", completion: .file()
  )
  var file: String?

  @OptionGroup var choice: ModelChoice

  @Flag(help: "Show only the metadata.")
  var metadata = false

  @Flag(help: "Show only the tensors.")
  var tensors = false

  @Flag(help: "Show arrays and texts whole.")
  var full = false

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    if file != nil, choice.model != nil { throw ValidationError("Give the file once: as an argument or with --model.") }
    if metadata, tensors { throw ValidationError("Give either --metadata or --tensors, not both.") }
  }

  func run() throws {
    let opened = try GGUFFile(opening: file ?? choice.locate())
    let description = FileDescription(opened, arrayLimit: full ? nil : 8)
    let sparsity = SparsityDescription(opened)
    let parts: FileDescription.Parts = metadata ? .metadata : tensors ? .tensors : .all
    if json {
      let report = InspectReport(file: description.showing(parts), sparsity: sparsity.isEmpty ? nil : sparsity)
      try StandardOutput.write(JSON.text(report) + "\n")
      return
    }
    // A file or a pipe has no width; there a line is as long as it gets on a wide terminal.
    let width = full ? Int.max : Terminal.size(.output)?.columns ?? 120
    try StandardOutput.write(description.text(width: width, parts: parts) + InspectReport.text(sparsity))
  }
}
