import PowerInferModel
import PowerInferPlatform

/// `tokenizer.model`: the parts of SentencePiece's model file (a protocol buffer, sentencepiece_model.proto) that a
/// vocabulary needs.
struct SentencePieceModel {
  private(set) var tokens: [ConvertedVocabulary.Token] = []
  /// `add_dummy_prefix` of the normaliser.
  private(set) var addsSpacePrefix = true
  /// `model_type` of the trainer: 1 unigram, 2 byte-pair encoding, 3 words, 4 characters.
  private(set) var algorithm = 1

  /// - Parameter bytes: of the file; nil is returned where they are no such model.
  init?(_ bytes: UnsafeRawBufferPointer) {
    guard let fields = ProtocolBuffer.fields(bytes) else { return nil }
    for case (let number, .bytes(let content)) in fields {
      switch number {
      case 1:
        guard let token = Self.token(content) else { return nil }
        tokens.append(token)
      case 2:
        guard let trainer = ProtocolBuffer.fields(content) else { return nil }
        for case (3, .number(let value)) in trainer { algorithm = Int(truncatingIfNeeded: value) }
      case 3:
        guard let normalizer = ProtocolBuffer.fields(content) else { return nil }
        for case (3, .number(let value)) in normalizer { addsSpacePrefix = value != 0 }
      default: break
      }
    }
    guard !tokens.isEmpty else { return nil }
  }

  private static func token(_ bytes: UnsafeRawBufferPointer) -> ConvertedVocabulary.Token? {
    guard let fields = ProtocolBuffer.fields(bytes) else { return nil }
    var token = ConvertedVocabulary.Token(text: "")
    for (number, value) in fields {
      switch (number, value) {
      case (1, .bytes(let text)):
        guard let text = String(validating: text, as: UTF8.self) else { return nil }
        token.text = text
      case (2, .fixed32(let bits)): token.score = Float(bitPattern: bits)
      case (3, .number(let type)):
        // The numbers are those of GGUF.
        guard let type = Int32(exactly: type).flatMap(Vocabulary.TokenType.init), type != .undefined else { return nil }
        token.type = type
      default: break
      }
    }
    return token
  }
}

/// The encoding of protocol buffers, without any knowledge of what is encoded.
private enum ProtocolBuffer {
  enum Value {
    case number(UInt64)
    case fixed32(UInt32)
    case fixed64(UInt64)
    case bytes(UnsafeRawBufferPointer)
  }

  /// The fields of a message in their order; nil where the bytes are none.
  static func fields(_ bytes: UnsafeRawBufferPointer) -> [(number: Int, value: Value)]? {
    var result: [(Int, Value)] = []
    var position = 0
    func varint() -> UInt64? {
      var value: UInt64 = 0
      for shift in stride(from: 0, to: 64, by: 7) {
        guard position < bytes.count else { return nil }
        let byte = bytes[position]
        position += 1
        value |= UInt64(byte & 0x7F) << UInt64(shift)
        if byte < 0x80 { return value }
      }
      return nil
    }
    func fixed<Number: FixedWidthInteger>(_: Number.Type) -> Number? {
      guard bytes.count - position >= MemoryLayout<Number>.size else { return nil }
      defer { position += MemoryLayout<Number>.size }
      return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: Number.self))
    }
    while position < bytes.count {
      guard let tag = varint(), let number = Int(exactly: tag >> 3), number > 0 else { return nil }
      switch tag & 7 {
      case 0:
        guard let value = varint() else { return nil }
        result.append((number, .number(value)))
      case 1:
        guard let value = fixed(UInt64.self) else { return nil }
        result.append((number, .fixed64(value)))
      case 2:
        guard let length = varint(), length <= UInt64(bytes.count - position) else { return nil }
        result.append((number, .bytes(UnsafeRawBufferPointer(rebasing: bytes[position..<(position + Int(length))]))))
        position += Int(length)
      case 5:
        guard let value = fixed(UInt32.self) else { return nil }
        result.append((number, .fixed32(value)))
      default: return nil
      }
    }
    return result
  }
}
