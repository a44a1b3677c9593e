import Foundation

/// What this machine can give, asked before an allocation that would trap on a refusal.
enum Memory {
  /// Whether so many bytes are no more than the machine's memory and the system gives them now.
  static func canAllocate(_ bytes: Int) -> Bool {
    guard bytes >= 0, isPhysical(bytes), let probe = malloc(bytes) else { return false }
    free(probe)
    return true
  }

  /// Whether the machine has so many bytes of memory. The system may promise more than that, and end the process when it
  /// comes to use them.
  static func isPhysical(_ bytes: Int) -> Bool {
    UInt64(clamping: bytes) <= ProcessInfo.processInfo.physicalMemory
  }
}
