import Foundation
import PowerInfer
import PowerInferPlatform

/// A bar for work that takes more than a second, on a terminal only; it leaves no trace.
final class ProgressBar {
  /// Work shorter than this shows no bar.
  static let patience = 1.0
  /// Seconds between two drawings.
  static let interval = 0.1

  private let label: String
  private let isEnabled: Bool
  private let columns: () -> Int
  private let now: () -> Double
  private let write: (String) -> Void
  private let start: Double
  private var lastDrawn: Double?

  init(
    _ label: String, isEnabled: Bool, columns: @escaping () -> Int = { 80 },
    now: @escaping () -> Double = Generator.monotonicSeconds, write: @escaping (String) -> Void = StandardOutput.note
  ) {
    self.label = label
    self.isEnabled = isEnabled
    self.columns = columns
    self.now = now
    self.write = write
    start = now()
  }

  func update(_ done: Int, of total: Int) {
    let time = now()
    guard isEnabled, total > 0, time - start >= Self.patience, time - (lastDrawn ?? 0) >= Self.interval else { return }
    lastDrawn = time
    let share = min(max(Double(done) / Double(total), 0), 1)
    let numbers = " \(done)/\(total) "
    let width = min(max(columns() - label.count - numbers.count - 4, 4), 40)
    let filled = Int((share * Double(width)).rounded())
    let bar = String(repeating: "━", count: filled) + String(repeating: "─", count: width - filled)
    write("\r\u{1B}[K\(label) \(bar)\(numbers)")
  }

  /// Wipes the bar away.
  func finish() {
    guard lastDrawn != nil else { return }
    lastDrawn = nil
    write("\r\u{1B}[K")
  }
}

extension ProgressBar {
  /// A bar on standard error, where that is a terminal that can wipe it away.
  static func onTerminal(_ label: String) -> ProgressBar {
    ProgressBar(
      label, isEnabled: Terminal.isTerminal(.error) && Environment()["TERM"] != "dumb",
      columns: { Terminal.size(.error)?.columns ?? 80 })
  }

  /// The bar for reading a long prompt.
  static var reading: ProgressBar { onTerminal("Reading") }
}
