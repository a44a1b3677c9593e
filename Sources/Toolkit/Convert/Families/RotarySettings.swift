import Foundation
import PowerInferCheckpoint
import PowerInferGGUF

/// Base and scaling of rotary positions, as `config.json` has them.
struct RotarySettings {
  private let base: Double?
  private let scaling: Scaling
  /// Llama 3's divisors of the frequencies, [head size / 2].
  let divisors: [Float]?

  private enum Scaling {
    case none
    case linear(factor: Double)
    case yarn(factor: Double, originalContext: Int, betaFast: Double?, betaSlow: Double?)
  }

  init(_ c: Settings, headSize: Int, contextLength: Int) throws(ConvertError) {
    // Since version 5 of the library all of it lies in one object.
    let key = c["rope_parameters"] != nil ? "rope_parameters" : "rope_scaling"
    let parameters = c[key]
    base = try c.optionalNumber("rope_theta") ?? parameters?["rope_theta"]?.number
    func number(_ name: String) throws(ConvertError) -> Double {
      guard let number = parameters?[name]?.number, number.isFinite, number > 0 else {
        throw .wrongKey("\(key).\(name)", file: c.file, expected: "a number above 0")
      }
      return number
    }
    func original() -> Int {
      parameters?["original_max_position_embeddings"]?.integer ?? c["original_max_position_embeddings"]?.integer
        ?? contextLength
    }
    var divisors: [Float]?
    switch parameters?["rope_type"]?.string ?? parameters?["type"]?.string ?? "default" {
    case "default":
      scaling = .none
    case "linear":
      scaling = .linear(factor: try number("factor"))
    case "yarn":
      scaling = .yarn(
        factor: try number("factor"), originalContext: original(), betaFast: parameters?["beta_fast"]?.number,
        betaSlow: parameters?["beta_slow"]?.number)
    case "llama3":
      scaling = .none
      divisors = Self.llama3(
        base: base ?? 10_000, size: headSize, factor: try number("factor"), low: try number("low_freq_factor"),
        high: try number("high_freq_factor"), originalContext: Double(original()))
    case let other:
      throw .unsupported("rotary scaling of type \(shown(other))")
    }
    self.divisors = divisors
  }

  /// What each frequency is divided by: 1 where more than `high` turns fit into the original context, `factor` where fewer
  /// than `low` do, and between them what interpolates the frequencies (Llama 3.1's model card and reference code).
  private static func llama3(
    base: Double, size: Int, factor: Double, low: Double, high: Double, originalContext: Double
  ) -> [Float] {
    (0..<size / 2).map { pair in
      let wavelength = 2 * Double.pi * pow(base, 2 * Double(pair) / Double(size))
      let turns = originalContext / wavelength
      if turns > high { return 1 }
      if turns < low { return Float(factor) }
      let share = (turns - low) / (high - low)
      return Float(1 / ((1 - share) / factor + share))
    }
  }

  func describe(in metadata: inout Metadata, prefix: String) {
    if let base { metadata.set(prefix + "rope.freq_base", .float32(Float(base))) }
    switch scaling {
    case .none: break
    case .linear(let factor):
      metadata.set(prefix + "rope.scaling.type", .string("linear"))
      metadata.set(prefix + "rope.scaling.factor", .float32(Float(factor)))
    case .yarn(let factor, let originalContext, let betaFast, let betaSlow):
      metadata.set(prefix + "rope.scaling.type", .string("yarn"))
      metadata.set(prefix + "rope.scaling.factor", .float32(Float(factor)))
      metadata.set(prefix + "rope.scaling.original_context_length", .uint32(UInt32(clamping: originalContext)))
      if let betaFast { metadata.set(prefix + "rope.scaling.yarn_beta_fast", .float32(Float(betaFast))) }
      if let betaSlow { metadata.set(prefix + "rope.scaling.yarn_beta_slow", .float32(Float(betaSlow))) }
    }
  }
}
