import Foundation
import PowerInferGGUF
import PowerInferToolkit

/// What a file holds, with what it says of sparsity, for machines; the second part also for people.
struct InspectReport: Encodable {
  var file: FileDescription
  /// Nil where the file says nothing of it.
  var sparsity: SparsityDescription?

  private enum CodingKeys: CodingKey {
    case sparsity
  }

  /// The file's own keys, and `sparsity` beside them.
  func encode(to encoder: any Encoder) throws {
    try file.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encodeIfPresent(sparsity, forKey: .sparsity)
  }

  /// Lines below an empty one; nothing where there is nothing to say.
  static func text(_ sparsity: SparsityDescription) -> String {
    var lines: [String] = []
    if let predictors = sparsity.predictors {
      let (least, most) = (predictors.minimumRank, predictors.maximumRank)
      lines.append(
        "  predictors  \(predictors.layers) layers, rank \(least == most ? "\(least)" : "\(least) to \(most)"), "
          + "\(predictors.types.joined(separator: " and ")), \(FileDescription.size(predictors.bytes))")
    }
    if let training = sparsity.predictors?.training {
      let change = training.perplexity / training.densePerplexity - 1
      lines.append(
        "  trained on  \(training.tokens) tokens of \(shown(training.text)); on \(training.heldOutTokens) held out: "
          + "\(Units.percent(training.computed)) computed, \(Units.percent(training.recall)) of those that fire found, "
          + String(format: "perplexity %.2f (%+.2f %%)", training.perplexity, change * 100))
    }
    for record in sparsity.records {
      let origin = record.file.map { "\(URL(filePath: $0).lastPathComponent)" } ?? "in the file"
      let active = record.active.map { ", \(Units.percent($0)) of the neurons fire for a token" } ?? ""
      lines.append(
        "  \(record.kind.padding(toLength: 10, withPad: " ", startingAt: 0))  \(origin): \(record.tokens) tokens of "
          + "\(shown(record.text))\(active)")
    }
    if let index = sparsity.index {
      let total = index.neurons.reduce(0, +)
      lines.append(
        "  GPU index   \(total) neurons in \(index.neurons.count) layers"
          + (index.vramCapacity.map { ", for \(FileDescription.size($0)) of video memory" } ?? ""))
    }
    var text = lines.isEmpty ? "" : "\nSparsity\n" + lines.joined(separator: "\n") + "\n"
    if !sparsity.history.isEmpty {
      text += "\nHistory\n" + sparsity.history.map { "  \(shown($0, limit: 500).dropFirst().dropLast())\n" }.joined()
    }
    return text
  }
}
