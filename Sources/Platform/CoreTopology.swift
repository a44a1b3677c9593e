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

  /// The first processor's name; Arm kernels give none.
  var processorName: String? {
    let lines = smallFile("\(root)/proc/cpuinfo")?.split(separator: "\n") ?? []
    guard let line = lines.first(where: { $0.hasPrefix("model name") }), let colon = line.firstIndex(of: ":") else {
      return nil
    }
    let words = line[line.index(after: colon)...].split(separator: " ")
    return words.isEmpty ? nil : words.joined(separator: " ")
  }
}
