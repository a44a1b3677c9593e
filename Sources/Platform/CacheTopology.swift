/// The caches of the processors, as Linux tells under `/sys`.
struct CacheTopology {
  /// Empty, or the folder that stands for `/` (tests).
  let root: String

  /// Bytes of the last level of cache, of all its instances that serve the processors numbered `mask`; nil where the
  /// system does not tell.
  func lastLevelBytes(among mask: [Int]) -> Int? {
    /// By level, and then by the processors that share an instance.
    var levels: [Int: [String: Int]] = [:]
    for processor in mask {
      for index in 0..<16 {
        let folder = "\(root)/sys/devices/system/cpu/cpu\(processor)/cache/index\(index)"
        guard let level = smallFile("\(folder)/level").flatMap({ Int($0) }) else { break }
        guard smallFile("\(folder)/type") != "Instruction",
          let bytes = smallFile("\(folder)/size").flatMap(CacheTopology.bytes)
        else { continue }
        let sharers = smallFile("\(folder)/shared_cpu_list") ?? "processor \(processor)"
        levels[level, default: [:]][sharers] = bytes
      }
    }
    return levels.max { $0.key < $1.key }?.value.values.reduce(0, +)
  }

  /// A size such as "32768K" or "1M"; nil for anything else, and for more than a terabyte, which no cache has.
  static func bytes(_ text: String) -> Int? {
    let units = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30]
    let unit = text.last.flatMap { units[String($0)] }
    guard let number = Int(unit == nil ? text[...] : text.dropLast()), number > 0 else { return nil }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: unit ?? 1)
    return overflow || bytes > 1 << 40 ? nil : bytes
  }
}
