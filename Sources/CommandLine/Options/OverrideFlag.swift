import ArgumentParser
import PowerInferGGUF
import PowerInferPlatform

/// Metadata that a user knows better than the file.
struct OverrideFlag: ParsableArguments {
  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Set a metadata key in place of the file's; the types are int, float, bool and str; may be repeated.",
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
  func resolve() throws(MetadataOverrideError) -> [MetadataOverride] {
    var result: [MetadataOverride] = []
    for text in overrideKv { result.append(try MetadataOverride(text.withoutSystemBytes)) }
    return result
  }
}
