public import Foundation

/// The time that `strftime_now` shows, so that a rendering can be repeated exactly.
public struct Clock: Sendable {
  private let now: @Sendable () -> Date
  private let timeZone: TimeZone

  /// The system's time in the system's time zone.
  public static let system = Clock(timeZone: .current) { Date() }

  /// Always the same moment, shown in Greenwich time.
  public static func fixed(_ date: Date) -> Clock { Clock(timeZone: .gmt) { date } }

  public init(timeZone: TimeZone, now: @escaping @Sendable () -> Date) {
    self.now = now
    self.timeZone = timeZone
  }

  /// The time in the C library's `strftime` notation, with Python's `%f` for microseconds.
  func formatted(_ format: String) throws -> String {
    guard format.utf8.count <= 4096, !format.utf8.contains(0) else {
      throw JinjaError.limit("'strftime_now' takes a format of at most 4096 bytes without a null.")
    }
    let date = now()
    let seconds = date.timeIntervalSince1970
    guard seconds.magnitude < 1e11 else { throw JinjaError.runtime("the clock's date is out of range.") }
    let whole = seconds.rounded(.down)
    var local = time_t(whole) + timeZone.secondsFromGMT(for: date)
    var parts = tm()
    gmtime_r(&local, &parts)
    let microseconds = String(Int((seconds - whole) * 1e6) + 1_000_000).dropFirst()
    let prepared = Clock.replacing(format, ["f": String(microseconds), "z": "", "Z": ""])
    guard !prepared.isEmpty else { return "" }
    var buffer = [CChar](repeating: 0, count: 64 << 10)
    let count = strftime(&buffer, buffer.count, prepared, &parts)
    return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Fills in what the C library does not know, or knows only of the system's own zone.
  private static func replacing(_ format: String, _ letters: [Character: String]) -> String {
    var result = ""
    var characters = format.makeIterator()
    while let character = characters.next() {
      guard character == "%", let letter = characters.next() else {
        result.append(character)
        continue
      }
      result += letters[letter] ?? "%\(letter)"
    }
    return result
  }
}
