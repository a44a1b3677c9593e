import Foundation
import PowerInferSparsity
import PowerInferToolkit

/// What was read to see what neurons do, and what that took.
struct SurveyOrigin: Encodable {
  var model: String
  var text: String
  var contextSize: Int
  var tokens: Int
  var threads: Int
  var seconds: Double
}

/// What a calibration has found, for people and for machines.
struct CalibrationReport: Encodable {
  var origin: SurveyOrigin
  var target: Float
  var silent: Double
  var leftOut: Double
  var kept: Double
  var layers: [Calibration.Layer]
  /// Where the thresholds are; nil where they were not saved by themselves.
  var sidecar: String?
  /// A model file that has them; nil where none was written.
  var outputModel: String?

  init(_ origin: SurveyOrigin, _ calibration: Calibration, sidecar: String?, outputModel: String?) {
    self.origin = origin
    target = calibration.thresholds.target
    silent = calibration.silent
    leftOut = calibration.leftOut
    kept = calibration.kept
    layers = calibration.layers
    self.sidecar = sidecar
    self.outputModel = outputModel
  }

  /// A row for each layer, and one for all together.
  var text: String {
    let table = TextTable(columns: [
      .init(title: "layer", width: 5), .init(title: "threshold", width: 10), .init(title: "left out", width: 8),
      .init(title: "kept", width: 8),
    ])
    return table.heading
      + layers.map {
        table.line([
          "\($0.layer)", String(format: "%.6f", $0.threshold), Units.percent($0.leftOut), Units.percent($0.kept),
        ])
      }.joined() + table.line(["all", "", Units.percent(leftOut), Units.percent(kept)])
  }
}

/// What a profile has found, for people and for machines; the numbers of single neurons are in the profile itself.
struct NeuronProfileReport: Encodable {
  var origin: SurveyOrigin
  var active: Double
  var skew: Double
  /// Share of all neurons of the model that make 80 % of all activations.
  var overallSkew: Double
  var layers: [ProfileSummary.Layer]
  /// Where the profile is.
  var sidecar: String
  /// Where the plot is; nil where none was drawn.
  var plot: String?

  init(_ origin: SurveyOrigin, _ summary: ProfileSummary, sidecar: String, plot: String?) {
    self.origin = origin
    active = summary.active
    skew = summary.skew
    overallSkew = summary.overallSkew
    layers = summary.layers
    self.sidecar = sidecar
    self.plot = plot
  }

  /// A row for each layer, and one for all together.
  var text: String {
    let table = TextTable(columns: [
      .init(title: "layer", width: 5), .init(title: "active", width: 8), .init(title: "makes 80 %", width: 10),
    ])
    return table.heading
      + layers.map { table.line(["\($0.layer)", Units.percent($0.active), Units.percent($0.skew)]) }.joined()
      + table.line(["mean", Units.percent(active), Units.percent(skew)])
      + table.line(["all", Units.percent(active), Units.percent(overallSkew)])
  }
}
