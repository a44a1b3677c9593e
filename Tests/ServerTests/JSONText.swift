import Foundation

enum JSONText {
  static func encode(_ text: String) throws -> [UInt8] { Array(try JSONEncoder().encode(text)) }
}
