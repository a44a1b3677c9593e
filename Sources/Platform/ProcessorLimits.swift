#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Which logical processors share a core, as Linux tells under `/sys`.
struct CoreTopology {
  /// Empty, or the folder that stands for `/` (tests).
  let root: String

  /// The processors this process may run on; nil where the system does not tell.
  ///
  /// Read from `/proc`, for the function that asks the kernel (`sched_getaffinity`) is a GNU extension that Swift's C
  /// library module does not offer.
  var allowed: [Int]? {
    let field = "Cpus_allowed_list:"
    let lines = smallFile("\(root)/proc/self/status")?.split(separator: "\n") ?? []
    guard let line = lines.first(where: { $0.hasPrefix(field) }) else { return nil }
    let processors = CoreTopology.processors(inList: line.dropFirst(field.count))
    return processors.isEmpty ? nil : processors
  }

  /// The numbers in a list such as "0-3,8,10-11", ascending.
  static func processors(inList list: Substring) -> [Int] {
    list.split { $0 == "," || $0.isWhitespace }.flatMap { part -> [Int] in
      let ends = part.split(separator: "-").map { Int($0) }
      switch ends.count {
      case 1: return ends[0].map { [$0] } ?? []
      case 2:
        // No machine has a million processors; a range that says so is not to be believed.
        guard let low = ends[0], let high = ends[1], low <= high, high - low < 1_000_000 else { return [] }
        return Array(low...high)
      default: return []
      }
    }
  }

  /// The number of physical cores that the processors numbered `mask` belong to; every processor counts where the
  /// system does not tell.
  func cores(among mask: [Int]) -> Int {
    var seen = Set<String>()
    for processor in mask {
      let folder = "\(root)/sys/devices/system/cpu/cpu\(processor)/topology"
      let siblings = smallFile("\(folder)/core_cpus_list") ?? smallFile("\(folder)/thread_siblings_list")
      seen.insert(siblings ?? "processor \(processor)")
    }
    return max(1, seen.count)
  }
}

/// The processor time a control group grants, read from cgroup version 2 (`cpu.max`) or 1 (`cpu.cfs_quota_us`).
struct ContainerQuota {
  /// Empty, or the folder that stands for `/` (tests).
  let root: String

  /// The tightest limit on the way from this process's group up to the root; nil where there is none.
  var processors: Double? {
    let groups = smallFile("\(root)/proc/self/cgroup") ?? ""
    var limits: [Double] = []
    for line in groups.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let controllers = parts[1].split(separator: ",")
      if parts[0] == "0", controllers.isEmpty {
        limits += climb(from: parts[2], mount: "\(root)/sys/fs/cgroup") { version2Limit(in: $0) }
      } else if controllers.contains("cpu") {
        for mount in ["cpu", "cpu,cpuacct", "cpuacct,cpu"] {
          limits += climb(from: parts[2], mount: "\(root)/sys/fs/cgroup/\(mount)") { version1Limit(in: $0) }
        }
      }
    }
    return limits.min()
  }

  /// Inside a container the mount may show only the group's own part of the tree, so every folder up to the mount
  /// point is asked, and those that do not exist are skipped.
  private func climb(from group: Substring, mount: String, limit: (String) -> Double?) -> [Double] {
    var components = group.split(separator: "/").filter { $0 != ".." }
    var found: [Double] = []
    while true {
      if let value = limit(([mount[...]] + components).joined(separator: "/")) { found.append(value) }
      if components.popLast() == nil { return found }
    }
  }

  private func version2Limit(in folder: String) -> Double? {
    let words = smallFile("\(folder)/cpu.max")?.split(separator: " ") ?? []
    guard words.count == 2, let quota = Double(words[0]), let period = Double(words[1]) else { return nil }
    return quota > 0 && period > 0 ? quota / period : nil
  }

  private func version1Limit(in folder: String) -> Double? {
    guard let quota = smallFile("\(folder)/cpu.cfs_quota_us").flatMap(Double.init),
      let period = smallFile("\(folder)/cpu.cfs_period_us").flatMap(Double.init)
    else { return nil }
    return quota > 0 && period > 0 ? quota / period : nil
  }
}

/// The text of a small file of the kernel's, without white space at its end; nil where it cannot be read.
private func smallFile(_ path: String) -> String? {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  // These files announce no size, so they are read up to a limit none of them comes near.
  var bytes = [UInt8](repeating: 0, count: 1 << 16)
  var count = 0
  while count < bytes.count {
    let got = bytes.withUnsafeMutableBytes { raw in
      read(descriptor, raw.baseAddress.map { $0 + count }, raw.count - count)
    }
    if got <= 0 { break }
    count += got
  }
  while count > 0, bytes[count - 1] == 10 || bytes[count - 1] == 32 { count -= 1 }
  return String(decoding: bytes[..<count], as: UTF8.self)
}
