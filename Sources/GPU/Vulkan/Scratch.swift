/// Memory for the structures a call reads, which point at each other. Valid until the end of ``withScratch(_:)``.
final class Scratch {
  private var pieces: [UnsafeMutableRawPointer] = []

  fileprivate init() {}

  deinit { for piece in pieces { piece.deallocate() } }

  /// A copy of a C structure.
  func make<Value: BitwiseCopyable>(_ value: Value) -> UnsafeMutablePointer<Value> {
    array([value])
  }

  /// Copies of values, one after the other.
  func array<Value: BitwiseCopyable>(_ values: [Value]) -> UnsafeMutablePointer<Value> {
    let start = UnsafeMutablePointer<Value>.allocate(capacity: max(1, values.count))
    for (index, value) in values.enumerated() { (start + index).initialize(to: value) }
    pieces.append(UnsafeMutableRawPointer(start))
    return start
  }

  /// A C string.
  func text(_ text: String) -> UnsafePointer<CChar> {
    UnsafePointer(array(text.utf8CString.map { $0 }))
  }

  /// An array of C strings; nil where there are none.
  func texts(_ texts: [String]) -> UnsafePointer<UnsafePointer<CChar>?>? {
    texts.isEmpty ? nil : UnsafePointer(array(texts.map { Optional(text($0)) }))
  }
}

/// Lends memory for the structures of a call.
func withScratch<Result, Failure: Error>(_ body: (Scratch) throws(Failure) -> Result) throws(Failure) -> Result {
  let scratch = Scratch()
  defer { withExtendedLifetime(scratch) {} }
  return try body(scratch)
}
