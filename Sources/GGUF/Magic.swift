/// The first four bytes of a file.
///
/// A PowerInfer file is an ordinary GGUF file but for them; they say that its feed-forward layers are laid out for
/// sparse computation (`ffn_down_t`) and carry predictors (`fc1`, `fc2`).
public enum Magic: String, Sendable, CaseIterable {
  case gguf = "GGUF"
  case powerInfer = "PWRI"

  /// The four bytes in file order.
  public var bytes: [UInt8] { Array(rawValue.utf8) }
}
