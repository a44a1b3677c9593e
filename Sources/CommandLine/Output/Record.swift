import ArgumentParser
import Foundation

/// How results are printed.
enum ResultFormat: String, ExpressibleByArgument, CaseIterable {
  case markdown = "md"
  case csv
  case json
}

/// Named values in a fixed order: a line of CSV, or an object of JSON.
struct Record: Encodable, Equatable {
  enum Value: Equatable {
    case text(String)
    case integer(Int)
    case real(Double)
    case reals([Double])
    /// Not known, or it makes no sense here.
    case none

    init(_ real: Double?) { self = real.map { .real($0) } ?? .none }
  }

  var fields: KeyValuePairs<String, Value>

  static func == (a: Record, b: Record) -> Bool {
    a.fields.elementsEqual(b.fields) { $0 == $1 }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    for (name, value) in fields {
      let key = Key(stringValue: name)
      switch value {
      case .text(let text): try container.encode(text, forKey: key)
      case .integer(let number): try container.encode(number, forKey: key)
      case .real(let number): try container.encode(number, forKey: key)
      case .reals(let numbers): try container.encode(numbers, forKey: key)
      case .none: try container.encodeNil(forKey: key)
      }
    }
  }

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }
}

/// Comma-separated values. Cells are quoted as RFC 4180 says; lines end in a line feed alone, as llama-bench's do.
enum CSV {
  /// The names of a record's columns. A list has none, for a cell holds one value.
  static func heading(_ record: Record) -> String { line(columns(record).map { $0.key }) }

  /// The values of a record; nothing for one that is not known.
  static func line(_ record: Record) -> String {
    line(
      columns(record).map {
        switch $0.value {
        case .text(let text): text
        case .integer(let number): "\(number)"
        case .real(let number): String(format: "%.6f", number)
        case .reals, .none: ""
        }
      })
  }

  static func line(_ cells: [String]) -> String { cells.map(cell).joined(separator: ",") + "\n" }

  private static func columns(_ record: Record) -> [(key: String, value: Record.Value)] {
    record.fields.filter { if case .reals = $0.value { false } else { true } }
  }

  private static func cell(_ text: String) -> String {
    // By scalars: a carriage return and a line feed are one character.
    let special: Set<Unicode.Scalar> = [",", "\"", "\r", "\n"]
    guard text.unicodeScalars.contains(where: special.contains) else { return text }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
  }
}
