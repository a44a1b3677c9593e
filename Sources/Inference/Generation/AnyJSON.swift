import Foundation
import OrderedCollections
import PowerInferJinja

/// Any JSON value, between programs that write JSON and the template language.
struct AnyJSON: Codable, Sendable, Equatable {
  var value: Value

  init(_ value: Value) { self.value = value }

  /// Its text, keys in alphabetical order.
  func text() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  private struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  init(from decoder: any Decoder) throws {
    if let values = try? decoder.container(keyedBy: Name.self) {
      var entries: OrderedDictionary<String, Value> = [:]
      // Decoders do not keep the order of keys.
      for key in values.allKeys.sorted(by: { $0.stringValue < $1.stringValue }) {
        entries[key.stringValue] = try values.decode(AnyJSON.self, forKey: key).value
      }
      value = .dictionary(entries)
    } else if var values = try? decoder.unkeyedContainer() {
      var elements: [Value] = []
      while !values.isAtEnd { elements.append(try values.decode(AnyJSON.self).value) }
      value = .list(elements)
    } else {
      let single = try decoder.singleValueContainer()
      if single.decodeNil() {
        value = .none
      } else if let flag = try? single.decode(Bool.self) {
        value = .boolean(flag)
      } else if let integer = try? single.decode(Int.self) {
        value = .integer(integer)
      } else if let double = try? single.decode(Double.self) {
        value = .double(double)
      } else {
        value = .string(try single.decode(String.self))
      }
    }
  }

  func encode(to encoder: any Encoder) throws {
    switch value {
    case .none:
      var single = encoder.singleValueContainer()
      try single.encodeNil()
    case .boolean(let flag): try flag.encode(to: encoder)
    case .integer(let integer): try integer.encode(to: encoder)
    case .double(let double): try double.encode(to: encoder)
    case .string(let text): try text.encode(to: encoder)
    case .list(let elements):
      var values = encoder.unkeyedContainer()
      for element in elements { try values.encode(AnyJSON(element)) }
    case .dictionary(let entries):
      var values = encoder.container(keyedBy: Name.self)
      for (key, element) in entries { try values.encode(AnyJSON(element), forKey: Name(stringValue: key)) }
    }
  }
}
