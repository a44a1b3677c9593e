import ArgumentParser
import PowerInferPlatform

/// How a model's file comes into memory.
struct LoadingFlags: ParsableArguments {
  @Flag(
    inversion: .prefixedNo,
    help: ArgumentHelp(
      "Map the model's file, so that it is read as it is needed and shared between processes, or read all of it into memory "
        + "of its own, which computes faster. (default: --no-mmap where the system has huge pages and the file takes at most half of the "
        + "free memory; environment: POWERINFER_MMAP)"))
  var mmap: Bool?

  var residency: Residency { Self.residency(mmap) }

  /// - Throws: `EnvironmentError`.
  func resolve(_ environment: Environment) throws -> Residency {
    Self.residency(try environment.value(mmap, or: "MMAP"))
  }

  private static func residency(_ mmap: Bool?) -> Residency { mmap.map { $0 ? .mapped : .copied } ?? .automatic }
}
