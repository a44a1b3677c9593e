/// Turns tokens into text as they come, never emitting part of a character.
///
/// Everything it returns, joined, is what ``Tokenizer/decode(_:renderSpecial:)`` gives for all the tokens, and those that are
/// shown although they are control tokens.
public struct StreamingDetokenizer: Sendable {
  private let tokenizer: Tokenizer
  private let renderSpecial: Bool
  private let shown: Set<Int32>
  /// Whether the next piece loses the space that encoding put in front of the text.
  private var stripsSpace: Bool
  /// The beginning of a character whose other bytes are still to come; at most three bytes.
  private var pending: [UInt8] = []

  /// - Parameters:
  ///   - tokenizer: whose tokens they are.
  ///   - renderSpecial: Spells out control tokens instead of leaving them out.
  ///   - shown: control tokens that are spelled out nevertheless.
  ///   - atStart: Whether the first token begins a text, so that a space which the tokenizer itself put there is
  ///     taken away; false where the tokens go on from earlier text.
  public init(_ tokenizer: Tokenizer, renderSpecial: Bool = false, shown: Set<Int32> = [], atStart: Bool = true) {
    self.tokenizer = tokenizer
    self.renderSpecial = renderSpecial
    self.shown = shown
    stripsSpace = atStart && tokenizer.addsSpacePrefix
  }

  /// Takes a token.
  /// - Returns: the characters that are complete now; often one piece, sometimes nothing.
  public mutating func append(_ id: Int32) -> String {
    var piece = tokenizer.bytes(of: id, renderSpecial: renderSpecial || shown.contains(id))[...]
    guard !piece.isEmpty else { return "" }
    if stripsSpace, !tokenizer.isControl(id) {
      stripsSpace = false
      if piece.first == 0x20 { piece = piece.dropFirst() }
    }
    pending.append(contentsOf: piece)
    let end = pending.withUnsafeBufferPointer { UTF8Scan.completePrefix($0) }
    guard end > 0 else { return "" }
    let text = String(decoding: pending[..<end], as: UTF8.self)
    pending.removeFirst(end)
    return text
  }

  /// Ends the text.
  /// - Returns: U+FFFD if a character was left unfinished, otherwise nothing.
  public mutating func finish() -> String {
    defer { pending.removeAll() }
    return String(decoding: pending, as: UTF8.self)
  }
}
