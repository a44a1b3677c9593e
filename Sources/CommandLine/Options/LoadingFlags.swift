import ArgumentParser
import PowerInferPlatform

/// How a model's file comes into memory.
struct LoadingFlags: ParsableArguments {
  @Flag(
    inversion: .prefixedNo,
    help: ArgumentHelp(
      "Map the model's file, so that it is read as it is needed and shared between processes, or read all of it into memory "
        + "of its own, which computes faster. (default: --no-mmap where the system has huge pages and the file takes at most half of the "
        + "free memory)"))
  var mmap: Bool?

  var residency: Residency { mmap.map { $0 ? .mapped : .copied } ?? .automatic }
}
