/// How much of a GPU's memory a process may take.
public enum GPUBudget: Sendable, Equatable {
  /// What is free, but for a margin that the desktop and the driver need.
  case automatic
  case bytes(Int)
  /// Of the device's whole memory, 0...1.
  case share(Double)

  /// What is left free where nothing else is said: this share of the device's memory, at least so much.
  private static let margin = (share: 0.03, least: 256 << 20)

  /// Bytes of a device's memory, at most what is free.
  public func bytes(of memory: GPUDescription.Memory) -> Int {
    switch self {
    case .automatic:
      max(0, memory.available - max(Self.margin.least, Int(Double(memory.total) * Self.margin.share)))
    case .bytes(let bytes): min(bytes, memory.available)
    case .share(let share): min(Int(Double(memory.total) * share), memory.available)
    }
  }
}
