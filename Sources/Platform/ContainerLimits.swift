/// What a container grants this process: the limits of its control groups, version 2 (one tree) or 1 (a tree per
/// controller).
struct ContainerLimits {
  /// Empty, or the folder that stands for `/` (tests).
  let root: String

  /// The processors' worth of time granted (`cpu.max`, `cpu.cfs_quota_us`): the tightest limit on the way from this
  /// process's group up to the root; nil where there is none.
  var processors: Double? {
    limits(of: "cpu", mounts: ["cpu", "cpu,cpuacct", "cpuacct,cpu"], version2: quota2, version1: quota1).min()
  }

  /// The bytes of memory granted (`memory.max`, `memory.limit_in_bytes`), the tightest likewise; nil where there is no
  /// limit. Version 1 spells "none" as a number larger than any machine's memory, which is given as it is.
  var memory: Int? {
    limits(
      of: "memory", mounts: ["memory"], version2: { bytes("\($0)/memory.max") },
      version1: { bytes("\($0)/memory.limit_in_bytes") }
    ).min()
  }

  /// Every limit that holds for this process.
  ///
  /// - Parameters:
  ///   - controller: its name in `/proc/self/cgroup`.
  ///   - mounts: folders that version 1 mounts it at.
  ///   - version2: reads the limit in a folder of version 2.
  ///   - version1: reads the limit in a folder of version 1.
  private func limits<Limit>(
    of controller: Substring, mounts: [String], version2: (String) -> Limit?, version1: (String) -> Limit?
  ) -> [Limit] {
    let groups = smallFile("\(root)/proc/self/cgroup") ?? ""
    return groups.split(separator: "\n").flatMap { line -> [Limit] in
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { return [] }
      let controllers = parts[1].split(separator: ",")
      if parts[0] == "0", controllers.isEmpty {
        return climb(from: parts[2], mount: "\(root)/sys/fs/cgroup", limit: version2)
      }
      guard controllers.contains(controller) else { return [] }
      return mounts.flatMap { climb(from: parts[2], mount: "\(root)/sys/fs/cgroup/\($0)", limit: version1) }
    }
  }

  /// Inside a container the mount may show only the group's own part of the tree, so every folder up to the mount
  /// point is asked, and those that do not exist are skipped.
  private func climb<Limit>(from group: Substring, mount: String, limit: (String) -> Limit?) -> [Limit] {
    var components = group.split(separator: "/").filter { $0 != ".." }
    var found: [Limit] = []
    while true {
      if let value = limit(([mount[...]] + components).joined(separator: "/")) { found.append(value) }
      if components.popLast() == nil { return found }
    }
  }

  private func quota2(in folder: String) -> Double? {
    let words = smallFile("\(folder)/cpu.max")?.split(separator: " ") ?? []
    guard words.count == 2, let quota = Double(words[0]), let period = Double(words[1]) else { return nil }
    return quota > 0 && period > 0 ? quota / period : nil
  }

  private func quota1(in folder: String) -> Double? {
    guard let quota = smallFile("\(folder)/cpu.cfs_quota_us").flatMap(Double.init),
      let period = smallFile("\(folder)/cpu.cfs_period_us").flatMap(Double.init)
    else { return nil }
    return quota > 0 && period > 0 ? quota / period : nil
  }

  /// The word "max", which version 2 writes for no limit, is no number and so none here either.
  private func bytes(_ path: String) -> Int? {
    smallFile(path).flatMap { UInt64($0) }.map { Int(clamping: $0) }
  }
}
