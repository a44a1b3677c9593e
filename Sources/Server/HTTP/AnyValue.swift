import Foundation

/// Any JSON value.
indirect enum AnyValue: Codable, Sendable, Equatable {
  case null
  case boolean(Bool)
  case integer(Int)
  case number(Double)
  case text(String)
  case list([AnyValue])
  case object([String: AnyValue])

  /// Levels of lists and objects within each other, those around the value included. Every level makes the path longer that a decoder
  /// carries.
  static let deepest = 200

  private struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  init(from decoder: any Decoder) throws {
    guard decoder.codingPath.count <= Self.deepest else {
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: Array(decoder.codingPath.prefix(4)),
          debugDescription: "it is nested more than \(Self.deepest) levels deep."))
    }
    let single = try decoder.singleValueContainer()
    // What is deep first: errors on the way are dear.
    if (try? decoder.unkeyedContainer()) != nil {
      self = .list(try single.decode([AnyValue].self))
    } else if (try? decoder.container(keyedBy: Name.self)) != nil {
      self = .object(try single.decode([String: AnyValue].self))
    } else if single.decodeNil() {
      self = .null
    } else if let flag = try? single.decode(Bool.self) {
      self = .boolean(flag)
    } else if let integer = try? single.decode(Int.self) {
      self = .integer(integer)
    } else if let number = try? single.decode(Double.self) {
      self = .number(number)
    } else {
      self = .text(try single.decode(String.self))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var single = encoder.singleValueContainer()
    switch self {
    case .null: try single.encodeNil()
    case .boolean(let flag): try single.encode(flag)
    case .integer(let integer): try single.encode(integer)
    case .number(let number): try single.encode(number)
    case .text(let text): try single.encode(text)
    case .list(let list): try single.encode(list)
    case .object(let object): try single.encode(object)
    }
  }

  /// What an object's JSON says; an empty one where it is none.
  init(json text: String) {
    if case .object(let members)? = try? JSONDecoder().decode(AnyValue.self, from: Data(text.utf8)) {
      self = .object(members)
    } else {
      self = .object([:])
    }
  }

  /// Its JSON, keys in alphabetical order.
  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }
}
