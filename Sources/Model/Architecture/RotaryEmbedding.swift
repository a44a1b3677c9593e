import Foundation
import PowerInferGGUF
public import PowerInferKernels

/// How positions beyond the trained context are folded into the trained range.
public enum RotaryScaling: Sendable, Equatable {
  case none
  /// Every position is divided by `factor` (Chen et al. 2023, arXiv:2306.15595).
  case linear(factor: Double)
  /// Low frequencies are interpolated by `factor`, high ones kept, with a ramp between (Peng et al. 2023, arXiv:2309.00071);
  /// `extrapolation` says how much of this is done: 1 all, 0 interpolates all frequencies.
  case yarn(factor: Double, originalContext: Int, betaFast: Double, betaSlow: Double, extrapolation: Double)
}

/// The settings of the rotary position embedding (Su et al. 2021, arXiv:2104.09864) in a model file.
///
/// Llama 3's scaling needs no case of its own: converters store its effect as one divisor per frequency in the tensor
/// `rope_freqs.weight`.
public struct RotaryConfiguration: Sendable, Equatable {
  /// Elements of each head that are rotated, from its start; even. 0 where positions are learned instead.
  public let dimensions: Int
  /// Which of them are rotated together.
  public let pairing: RotaryPairing
  /// The longest wavelength is 2π · base^((dimensions - 2) / dimensions) positions.
  public let base: Double
  /// What is done for contexts longer than the trained one.
  public let scaling: RotaryScaling
  /// Factor on the rotated vectors.
  public let attentionFactor: Double

  /// Settings taken as they are; a file's are checked by ``ModelConfiguration/init(metadata:magic:)``.
  public init(
    dimensions: Int, pairing: RotaryPairing = .neighbours, base: Double, scaling: RotaryScaling = .none,
    attentionFactor: Double = 1
  ) {
    self.dimensions = dimensions
    self.pairing = pairing
    self.base = base
    self.scaling = scaling
    self.attentionFactor = attentionFactor
  }

  /// Nothing is rotated.
  static let none = RotaryConfiguration(dimensions: 0, base: 10000)

  init(keys: ModelConfiguration.Keys, pairing: RotaryPairing, headSize: Int, contextLength: Int) throws {
    self.pairing = pairing
    let dimensions = try keys.count("rope.dimension_count", in: 2...8192, default: headSize)
    guard dimensions % 2 == 0, dimensions <= headSize else {
      throw keys.invalid("rope.dimension_count", dimensions, "an even number up to the head size (\(headSize))")
    }
    self.dimensions = dimensions
    base = Double(try keys.real("rope.freq_base", default: 10000, expected: "a number above 0") { $0 > 0 })
    // Whatever else a file says of rotation changes the result, too.
    for key in keys.metadata.keys where key.hasPrefix("\(keys.prefix).rope.") {
      guard Self.knownKeys.contains(String(key.dropFirst(keys.prefix.count + 6))) else {
        throw ModelError.unsupportedFeature("the rotary setting \(shown(key))")
      }
    }
    let ownFactor = Double(
      try keys.real("rope.scaling.attn_factor", default: 1, expected: "a number above 0") { $0 > 0 })

    // Files of 2023 name the linear factor `scale_linear` and give no type.
    let legacy = try keys.real("rope.scale_linear", default: 1, expected: "a number of 0 or more") { $0 >= 0 }
    var factor = Double(
      try keys.real("rope.scaling.factor", default: legacy, expected: "a number of 0 or more") { $0 >= 0 })
    if factor == 0 { factor = 1 }
    switch try keys.metadata.string("\(keys.prefix).rope.scaling.type") ?? "linear" {
    case "none":
      scaling = .none
      attentionFactor = ownFactor
    case "linear":
      scaling = factor == 1 ? .none : .linear(factor: factor)
      attentionFactor = ownFactor
    case "yarn":
      // Below 0 stands for "not set".
      let extrapolation = Double(
        try keys.real("rope.scaling.yarn_ext_factor", default: 1, expected: "a number up to 1") { $0 <= 1 })
      attentionFactor =
        ownFactor * (try Self.yarnMagnitude(keys, factor: factor, isInterpolated: extrapolation == 0))
      scaling = .yarn(
        factor: factor,
        originalContext: try keys.count(
          "rope.scaling.original_context_length", in: 1...(1 << 30), default: contextLength),
        betaFast: Double(
          try keys.real("rope.scaling.yarn_beta_fast", default: 32, expected: "a number above 0") { $0 > 0 }),
        betaSlow: Double(
          try keys.real("rope.scaling.yarn_beta_slow", default: 1, expected: "a number above 0") { $0 > 0 }),
        extrapolation: extrapolation < 0 ? 1 : extrapolation)
    case let other:
      throw ModelError.unsupportedFeature("rotary scaling of type \(shown(other))")
    }
  }
}

extension RotaryConfiguration {
  /// What is read below `rope.`; that the model was trained with its scaling (`finetuned`) changes nothing.
  private static let knownKeys: Set<String> = [
    "dimension_count", "freq_base", "scale_linear", "scaling.type", "scaling.factor", "scaling.attn_factor",
    "scaling.original_context_length", "scaling.finetuned", "scaling.yarn_ext_factor", "scaling.yarn_attn_factor",
    "scaling.yarn_log_multiplier", "scaling.yarn_beta_fast", "scaling.yarn_beta_slow",
  ]

  /// YaRN's factor on rotated vectors: what the file says, or else 0.1 · ln(factor) + 1 (arXiv:2309.00071, §3.4), divided by the
  /// same with `mscale_all_dim` times the logarithm, where the model applies that part to all dimensions.
  private static func yarnMagnitude(
    _ keys: ModelConfiguration.Keys, factor: Double, isInterpolated: Bool
  ) throws -> Double {
    let given = try keys.real("rope.scaling.yarn_attn_factor", default: 0, expected: "a number above 0") { $0 >= 0 }
    let share = try keys.real("rope.scaling.yarn_log_multiplier", default: 0, expected: "a number of 0 or more") {
      $0 >= 0
    }
    if given > 0 { return Double(given) }
    if isInterpolated || factor <= 1 { return 1 }
    return (1 + 0.1 * log(factor)) / (share > 0 ? 1 + 0.1 * Double(share) * log(factor) : 1)
  }
}

/// Turns positions into the cosines and sines that rotate queries and keys.
public struct RotaryEmbedding: Sendable {
  /// Radians per position of each rotated pair, [dimensions / 2].
  public let frequencies: [Double]
  /// Factor on every cosine and sine.
  public let magnitude: Double

  /// - Parameters:
  ///   - configuration: base, dimensions and scaling.
  ///   - divisors: Llama 3's `rope_freqs.weight`, [dimensions / 2], or `nil`.
  public init(_ configuration: RotaryConfiguration, divisors: [Float]? = nil) {
    let pairs = configuration.dimensions / 2
    var frequencies = (0..<pairs).map { pair in
      pow(configuration.base, -2 * Double(pair) / Double(configuration.dimensions))
        / Double(divisors?[pair] ?? 1)
    }
    magnitude = configuration.attentionFactor
    switch configuration.scaling {
    case .none:
      break
    case .linear(let factor):
      for pair in 0..<pairs { frequencies[pair] /= factor }
    case .yarn(let factor, let originalContext, let betaFast, let betaSlow, let extrapolation):
      // The pair that turns `rotations` times over the original context (arXiv:2309.00071, §3.2).
      func pairTurning(_ rotations: Double) -> Double {
        Double(configuration.dimensions) * log(Double(originalContext) / (rotations * 2 * .pi))
          / (2 * log(configuration.base))
      }
      let low = max(0, pairTurning(betaFast).rounded(.down))
      let high = min(Double(configuration.dimensions - 1), pairTurning(betaSlow).rounded(.up))
      for pair in 0..<pairs {
        let ramp = min(1, max(0, (Double(pair) - low) / max(0.001, high - low)))
        let kept = (1 - ramp) * extrapolation
        frequencies[pair] = frequencies[pair] * kept + frequencies[pair] / factor * (1 - kept)
      }
    }
    self.frequencies = frequencies
  }

  /// Writes the cosines and sines of one position, [dimensions / 2] each.
  ///
  /// Angles are formed in double precision: at position 100,000 a float angle is already off by 0.004 radians.
  public func write(
    position: Int, cosines: UnsafeMutablePointer<Float>, sines: UnsafeMutablePointer<Float>
  ) {
    for pair in frequencies.indices {
      let angle = Double(position) * frequencies[pair]
      cosines[pair] = Float(cos(angle) * magnitude)
      sines[pair] = Float(sin(angle) * magnitude)
    }
  }
}
