/// How a file comes into memory.
public enum Residency: String, Sendable, CaseIterable {
  /// Mapped: nothing is read before it is touched, and processes share what was.
  case mapped
  /// Read at once into memory of its own, in huge pages where the system has them: a processor that jumps from row to row
  /// spends much of its time on finding small pages, most of all in a virtual machine. What is read can be arranged on the way.
  case copied
  /// ``copied`` where the system has huge pages and the file takes at most half of the memory that is free, else ``mapped``.
  case automatic

  /// Whether a file of so many bytes is to be read into memory of its own.
  public func copies(_ size: Int) -> Bool {
    switch self {
    case .mapped: false
    case .copied: true
    case .automatic: HugePages.areAvailable && size <= Memory.available / 2
    }
  }
}
