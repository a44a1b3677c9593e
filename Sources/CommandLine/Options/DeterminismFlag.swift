import ArgumentParser

/// Whether arithmetic may depend on what is computed beside.
struct DeterminismFlag: ParsableArguments {
  @Flag(
    help: """
      Compute every request bit for bit as it would be computed alone, which is slower for several at a time. \
      (environment: POWERINFER_DETERMINISTIC)
      """)
  var deterministic = false

  /// - Throws: `EnvironmentError`.
  func resolve(_ environment: Environment) throws -> Bool {
    try deterministic || environment.value(Bool?.none, or: "DETERMINISTIC") ?? false
  }
}
