import Foundation

/// Numbers with units, for people.
enum Units {
  /// Bytes as llama-bench has them: 82.41 MiB, 3.56 GiB.
  static func bytes(_ count: Int) -> String {
    let mebibytes = Double(count) / 1_048_576
    return mebibytes < 1024
      ? String(format: "%.2f MiB", mebibytes) : String(format: "%.2f GiB", mebibytes / 1024)
  }

  /// A count of weights as llama-bench has it: 134.52 M, 6.74 B.
  static func weights(_ count: Int) -> String {
    count < 1_000_000_000
      ? String(format: "%.2f M", Double(count) / 1e6) : String(format: "%.2f B", Double(count) / 1e9)
  }

  /// A count of weights in a model's name: 135M, 7B.
  static func parameters(_ count: Int) -> String {
    if count < 1_000_000 { return "\(count / 1000)K" }
    return count < 1_000_000_000
      ? String(format: "%.0fM", Double(count) / 1e6) : String(format: "%.0fB", Double(count) / 1e9)
  }

  /// A share of 1 in percent: 12.30 %.
  static func percent(_ share: Double) -> String { String(format: "%.2f %%", share * 100) }
}
