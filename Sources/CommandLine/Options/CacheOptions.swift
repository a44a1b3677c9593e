import ArgumentParser
import PowerInfer

/// How the key/value cache is kept.
struct CacheOptions: ParsableArguments {
  @Option(
    name: [.long, .customLong("ctk", withSingleDash: true)],
    help: ArgumentHelp(
      "How the cache keeps keys: f16 or q8_0, which takes half the memory. "
        + "(default: f16; environment: POWERINFER_CACHE_TYPE_K)", valueName: "type"))
  var cacheTypeK: CacheFormat?

  @Option(
    name: [.long, .customLong("ctv", withSingleDash: true)],
    help: ArgumentHelp(
      "How the cache keeps values: f16 or q8_0. (default: f16; environment: POWERINFER_CACHE_TYPE_V)",
      valueName: "type"))
  var cacheTypeV: CacheFormat?

  /// The formats with the environment's values filled in.
  struct Resolved: Equatable {
    var keys = CacheFormat.f16
    var values = CacheFormat.f16
  }

  /// - Throws: `EnvironmentError`.
  func resolve(_ environment: Environment) throws(EnvironmentError) -> Resolved {
    Resolved(
      keys: try environment.value(cacheTypeK, or: "CACHE_TYPE_K") ?? .f16,
      values: try environment.value(cacheTypeV, or: "CACHE_TYPE_V") ?? .f16)
  }
}

extension CacheFormat: SettingValue {
  static var expectation: String { allCases.map(\.rawValue).joined(separator: " or ") }
}
