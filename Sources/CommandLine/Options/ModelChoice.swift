import ArgumentParser

/// Which model a command works on.
struct ModelChoice: ParsableArguments {
  @Option(
    name: [.customShort("m"), .long],
    help: ArgumentHelp(
      "The model, a GGUF file. (default: the embedded model; environment: POWERINFER_MODEL)", valueName: "file"),
    completion: .file(extensions: ["gguf"]))
  var model: String?

  /// The model's path.
  ///
  /// - Throws: `ModelLocatorError`.
  func locate(_ environment: Environment = Environment()) throws -> String {
    try ModelLocator(environment: environment).locate(model)
  }
}
