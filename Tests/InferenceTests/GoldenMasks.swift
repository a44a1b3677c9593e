/// Which neurons the reference computed, and where the order of summation may decide otherwise; `Golden/README.md` has the
/// format.
struct GoldenMasks: Decodable {
  struct Place: Decodable, Hashable {
    let layer, position, neuron: Int

    init(layer: Int, position: Int, neuron: Int) {
      (self.layer, self.position, self.neuron) = (layer, position, neuron)
    }

    init(from decoder: any Decoder) throws {
      var list = try decoder.unkeyedContainer()
      (layer, position, neuron) = (try list.decode(Int.self), try list.decode(Int.self), try list.decode(Int.self))
    }
  }

  /// The position that the masks begin with.
  let firstPosition: Int
  /// Scores within 0.001 of their threshold.
  let near: Set<Place>
  private let bytes: [[[UInt8]]]  // [layers, positions from the first, neurons / 8]

  enum CodingKeys: String, CodingKey {
    case active, near
    case firstPosition = "first_position"
  }

  init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    firstPosition = try fields.decode(Int.self, forKey: .firstPosition)
    near = Set(try fields.decode([Place].self, forKey: .near))
    bytes = try fields.decode([[String]].self, forKey: .active).map { layer in
      try layer.map { text in
        guard let bytes = Self.bytes(hexadecimal: text) else {
          throw DecodingError.dataCorruptedError(
            forKey: .active, in: fields, debugDescription: "\"\(text)\" is no list of hexadecimal bytes.")
        }
        return bytes
      }
    }
  }

  private static func bytes(hexadecimal text: String) -> [UInt8]? {
    let digits = text.compactMap(\.hexDigitValue)
    guard digits.count == text.count, digits.count.isMultiple(of: 2) else { return nil }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }

  var layers: Int { bytes.count }

  /// Positions that have masks, counted from the prompt's start.
  var positions: Range<Int> { firstPosition..<firstPosition + (bytes.first?.count ?? 0) }

  /// Bytes of one mask: neurons / 8, rounded up.
  var maskBytes: Int { bytes.first?.first?.count ?? 0 }

  func isActive(_ place: Place) -> Bool {
    let byte = bytes[place.layer][place.position - firstPosition][place.neuron / 8]
    return byte >> (place.neuron % 8) & 1 == 1
  }
}

/// What rounding activations to 8 bits does by the reference itself: the greatest of some passes.
struct GoldenRounding: Decodable {
  /// Share of the mask bits that differ, one for each layer.
  let bits: [Double]
  /// Difference of a golden logit of the last position.
  let logits: Double
  /// Lead of a golden best logit that was overcome.
  let margin: Double
}
