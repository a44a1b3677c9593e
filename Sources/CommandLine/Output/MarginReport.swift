import Foundation
import PowerInfer
import PowerInferToolkit

/// What a search for margins of leading bits has found, for people and for machines.
struct MarginReport: Encodable {
  /// How much perplexity rose.
  struct Change: Encodable {
    var tokens: Int
    var change: Double
    var error: Double?
  }

  var origin: SurveyOrigin
  var loss: Float
  var computed: Double
  var missed: Double
  var layers: [MarginCalibration.Layer]
  /// On the text that the margins were found on.
  var calibrated: Change
  /// On the rest of it.
  var heldOut: Change
  var densePerplexity: Double
  var perplexity: Double
  /// Where the margins are; nil where they were not saved by themselves.
  var sidecar: String?
  /// A model file that has them; nil where none was written.
  var outputModel: String?

  init(_ origin: SurveyOrigin, _ calibration: MarginCalibration, sidecar: String?, outputModel: String?) {
    self.origin = origin
    loss = calibration.margins.loss
    (computed, missed, layers) = (calibration.computed, calibration.missed, calibration.layers)
    calibrated = Change(
      tokens: calibration.margins.tokens, change: calibration.change.value, error: calibration.change.error)
    heldOut = Change(
      tokens: calibration.heldOutTokens, change: calibration.heldOutChange.value,
      error: calibration.heldOutChange.error)
    (densePerplexity, perplexity) = (calibration.densePerplexity, calibration.perplexity)
    (self.sidecar, self.outputModel) = (sidecar, outputModel)
  }

  /// A row for each layer, one for all together, and what it cost.
  var text: String {
    let table = TextTable(columns: [
      .init(title: "layer", width: 5), .init(title: "margin", width: 6), .init(title: "computed", width: 8),
      .init(title: "missed", width: 9),
    ])
    func missed(_ share: Double) -> String { String(format: "%.4f %%", share * 100) }
    return table.heading
      + layers.map {
        table.line([
          "\($0.layer)", String(format: "%.2f", $0.margin), Units.percent($0.computed), missed($0.missed),
        ])
      }.joined() + table.line(["all", "", Units.percent(computed), missed(self.missed)])
      + "\nPerplexity changes by \(Self.percent(calibrated)) on the \(calibrated.tokens) tokens that were calibrated on,\n"
      + "and by \(Self.percent(heldOut)) on \(heldOut.tokens) others, from "
      + String(format: "%.3f to %.3f.\n", densePerplexity, perplexity)
  }

  private static func percent(_ change: Change) -> String {
    let error = change.error.map { String(format: " ± %.3f", $0 * 100) } ?? ""
    return String(format: "%.3f", change.change * 100) + error + " %"
  }
}
