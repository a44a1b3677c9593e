import ArgumentParser
import PowerInferGGUF
import PowerInferPlatform

/// Metadata that a user knows better than the file.
struct OverrideFlag: ParsableArguments {
  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Set a metadata key in place of the file's; the types are int, float, bool and str; may be repeated. "
        + "(environment of run and serve: POWERINFER_OVERRIDE_KV, one a line)",
      valueName: "key=type:value"))
  var overrideKv: [String] = []

  func validate() throws {
    do throws(MetadataOverrideError) {
      _ = try resolve()
    } catch {
      throw ValidationError(error.description)
    }
  }

  /// - Throws: `MetadataOverrideError`.
  func resolve(_ environment: Environment = Environment([:])) throws(MetadataOverrideError) -> [MetadataOverride] {
    var result: [MetadataOverride] = []
    let lines = (environment["POWERINFER_OVERRIDE_KV"] ?? "").split(separator: "\n").map(String.init)
    for text in overrideKv.isEmpty ? lines : overrideKv { result.append(try MetadataOverride(text.withoutSystemBytes)) }
    return result
  }
}
