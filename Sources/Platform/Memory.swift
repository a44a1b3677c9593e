import Foundation

/// How much memory this process may really use.
public enum Memory {
  /// Bytes of the machine's memory.
  public static var physical: Int { Int(clamping: ProcessInfo.processInfo.physicalMemory) }

  /// Bytes this process may use: the machine's, or fewer where a container grants less.
  public static var limit: Int {
    #if os(Linux)
      return limit(physical: physical, root: "")
    #else
      return physical
    #endif
  }

  /// Bytes that can be had without anybody's memory being written to disk, caches of files counted as free; ``limit`` where
  /// the system does not say.
  public static var available: Int {
    #if os(Linux)
      return min(limit, available(root: "") ?? limit)
    #else
      return limit
    #endif
  }

  /// Bytes of memory that this process holds; nil where the system does not say.
  public static var resident: Int? {
    #if os(Linux)
      // "VmRSS:     24236 kB"
      let line = smallFile("/proc/self/status")?.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
      let words = line?.split(whereSeparator: \.isWhitespace) ?? []
      return words.count > 1 ? Int(words[1]).map { $0 << 10 } : nil
    #else
      return nil
    #endif
  }

  static func available(root: String) -> Int? {
    // "MemAvailable:   24225908 kB"
    let lines = smallFile("\(root)/proc/meminfo")?.split(separator: "\n") ?? []
    guard let line = lines.first(where: { $0.hasPrefix("MemAvailable:") }) else { return nil }
    let words = line.split(separator: " ")
    return words.count > 1 ? Int(words[1]).map { $0 << 10 } : nil
  }

  /// - Parameter root: empty, or the folder that stands for `/` (tests).
  static func limit(physical: Int, root: String) -> Int {
    min(physical, ContainerLimits(root: root).memory ?? physical)
  }

  /// Whether ``limit`` holds so many bytes. The system may promise more than that, and end the process when it comes to
  /// use them.
  public static func isWithinLimit(_ bytes: Int) -> Bool { bytes <= limit }

  /// Whether so many bytes are within ``limit`` and the system gives them now. Asked before an allocation that would trap
  /// on a refusal.
  public static func canAllocate(_ bytes: Int) -> Bool {
    guard bytes >= 0, isWithinLimit(bytes), let probe = malloc(bytes) else { return false }
    free(probe)
    return true
  }
}
