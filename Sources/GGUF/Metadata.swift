/// The key/value pairs of a GGUF file, in file order.
public struct Metadata: Sendable {
  public init() {}
}
