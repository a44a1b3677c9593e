import Foundation
import PowerInfer
import PowerInferModel
import PowerInferTestKit

/// One prompt of a golden logits file; `Golden/README.md` says how each was made.
struct GoldenPrompt: Decodable {
  struct Mode: Decodable {
    /// Token id and logit of the last position, best first.
    let top20: [[Double]]
    let logsumexp: Double
    let argmaxEachPosition: [Int32]
    /// How far the best logit leads the second; absent in files that were published without.
    let marginEachPosition: [Double]?
    /// All logits of the last position; tiny models only.
    let logits: [Double]?
    /// Modes that leave neurons out only.
    let masks: GoldenMasks?
    /// Modes that leave neurons out, of models with quantised weights.
    let rounding: GoldenRounding?
    /// One for each layer.
    let gateThresholds: [Float]?
    /// By how many standard deviations leading bits may be too low.
    let margin: Float?

    enum CodingKeys: String, CodingKey {
      case top20, logsumexp, logits, masks, rounding, margin
      case gateThresholds = "gate_thresholds"
      case argmaxEachPosition = "argmax_each_position"
      case marginEachPosition = "margin_each_position"
    }
  }

  let tokens: [Int32]
  /// All neurons.
  let dense: Mode
  /// Those that the file's predictors expect to fire.
  let predictor: Mode?
  /// Those whose activated gate reaches a threshold.
  let threshold: Mode?
  /// Those that may fire by the leading bits of their gates.
  let leadingBits: Mode?

  enum CodingKeys: String, CodingKey {
    case tokens, dense, predictor, threshold
    case leadingBits = "leading_bits"
  }

  static func load(_ name: String) throws -> [GoldenPrompt] {
    try Golden.json([GoldenPrompt].self, name, in: .module)
  }
}

/// How far an engine's logits are from golden ones.
struct LogitDifference {
  /// Over the golden logits of the last position: all where there are all, the best 20 otherwise.
  var largestError = 0.0
  var logSumExpError = 0.0
  /// Positions whose arg max differs although the golden margin is at least `tieMargin`.
  var wrongArgMaxima: [Int] = []
  /// Positions whose arg max differs.
  var differingArgMaxima = 0

  /// - Parameters:
  ///   - mode: which of the golden logits; all neurons' unless another is named.
  ///   - tieMargin: where the golden lead of the best logit is smaller, either of two may win.
  init(
    model: LanguageModel, golden: GoldenPrompt, mode: GoldenPrompt.Mode? = nil, tieMargin: Double,
    options: EngineOptions = .init()
  ) throws {
    let mode = mode ?? golden.dense
    var options = options
    options.contextSize = options.contextSize ?? golden.tokens.count
    let session = try Engine(model: model, options: options).makeSequence()
    var last: [Float] = []
    var maxima: [Int32] = []
    try session.evaluateEach(golden.tokens) { _, logits in
      maxima.append(Int32(logits.indices.max { logits[$0] < logits[$1] } ?? -1))
      last = Array(logits)
    }
    let expected = mode.logits.map { Array(zip(0..., $0)) } ?? mode.top20.map { (Int($0[0]), $0[1]) }
    largestError = expected.map { abs(Double(last[$0.0]) - $0.1) }.max() ?? .infinity
    let best = Double(last.max() ?? 0)
    logSumExpError = abs(best + log(last.map { exp(Double($0) - best) }.reduce(0, +)) - mode.logsumexp)
    for (position, pair) in zip(maxima, mode.argmaxEachPosition).enumerated() where pair.0 != pair.1 {
      differingArgMaxima += 1
      let margin = mode.marginEachPosition?[position] ?? .infinity
      if margin >= tieMargin { wrongArgMaxima.append(position) }
    }
  }
}

/// Model files of the repository's `Models` folder.
enum RepositoryModel {
  static func path(_ name: String, file: String = #filePath) -> String {
    URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Models").appendingPathComponent(name).path
  }

  static let embedded = path("smollm2-135m-relu.q4_0.powerinfer.gguf")
}
