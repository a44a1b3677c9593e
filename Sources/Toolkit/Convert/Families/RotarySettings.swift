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
    case yarn(
      factor: Double, originalContext: Int, betaFast: Double?, betaSlow: Double?, extrapolation: Double?,
      magnitudeRatio: Double)
  }

  /// Sentences about what a user would not expect.
  let notes: [String]

  /// What is read, of any scaling; `rope_theta` and these decide the result, so that any other is refused.
  private static let knownKeys: Set<String> = [
    "type", "rope_type", "rope_theta", "factor", "original_max_position_embeddings", "attention_factor", "attn_factor",
    "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "extrapolation_factor", "low_freq_factor", "high_freq_factor",
    "finetuned", "truncate", "partial_rotary_factor",
  ]

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
    func optional(_ name: String) throws(ConvertError) -> Double? {
      parameters?[name] == nil ? nil : try number(name)
    }
    if let other = parameters?.object?.keys.filter({ !Self.knownKeys.contains($0) }).min() {
      throw .unsupported("the rotary setting \(shown(other))")
    }
    if parameters?["truncate"]?.bool == false { throw .unsupported("YaRN without rounding (truncate)") }
    let shares = [try optional("partial_rotary_factor"), try c.optionalNumber("partial_rotary_factor")]
    if shares.contains(where: { $0 != nil && $0 != 1 }) {
      throw .unsupported("rotation of a part of each head (partial_rotary_factor)")
    }
    var notes: [String] = []
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
    case "dynamic":
      // Up to the trained context its base is the model's own.
      scaling = .none
      notes.append(
        "Beyond \(contextLength) tokens the model would change the base of its rotary positions with every token (rope type "
          + "dynamic); it is run as up to there.")
    case "yarn":
      let stretch = Double(contextLength) / Double(max(original(), 1))
      let (given, older) = (try optional("attention_factor"), try optional("attn_factor"))
      let factor = try optional("factor") ?? stretch
      scaling = .yarn(
        factor: factor, originalContext: original(), betaFast: try optional("beta_fast"),
        betaSlow: try optional("beta_slow"), extrapolation: try optional("extrapolation_factor"),
        magnitudeRatio: Self.magnitudeRatio(
          factor: factor, given: given ?? older, share: try optional("mscale"),
          shareOfAll: try optional("mscale_all_dim")))
    case "llama3":
      scaling = .none
      divisors = Self.llama3(
        base: base ?? 10_000, size: headSize, factor: try number("factor"), low: try number("low_freq_factor"),
        high: try number("high_freq_factor"), originalContext: Double(original()))
    case let other:
      throw .unsupported("rotary scaling of type \(shown(other))")
    }
    self.divisors = divisors
    self.notes = notes
  }

  /// YaRN's factor on rotated vectors, as a multiple of 0.1 · ln(factor) + 1, which engines take where a file says nothing.
  private static func magnitudeRatio(factor: Double, given: Double?, share: Double?, shareOfAll: Double?) -> Double {
    func raised(_ share: Double) -> Double { factor <= 1 ? 1 : 1 + 0.1 * share * log(factor) }
    if let given { return given / raised(1) }
    guard let share, let shareOfAll else { return 1 }
    return raised(share) / raised(shareOfAll) / raised(1)
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
    case .yarn(
      let factor, let originalContext, let betaFast, let betaSlow, let extrapolation, let magnitudeRatio):
      metadata.set(prefix + "rope.scaling.type", .string("yarn"))
      metadata.set(prefix + "rope.scaling.factor", .float32(Float(factor)))
      metadata.set(prefix + "rope.scaling.original_context_length", .uint32(UInt32(clamping: originalContext)))
      // Not `yarn_attn_factor`, which llama.cpp writes but does not read for these families.
      if magnitudeRatio != 1 { metadata.set(prefix + "rope.scaling.attn_factor", .float32(Float(magnitudeRatio))) }
      if let extrapolation { metadata.set(prefix + "rope.scaling.yarn_ext_factor", .float32(Float(extrapolation))) }
      if let betaFast { metadata.set(prefix + "rope.scaling.yarn_beta_fast", .float32(Float(betaFast))) }
      if let betaSlow { metadata.set(prefix + "rope.scaling.yarn_beta_slow", .float32(Float(betaSlow))) }
    }
  }
}
