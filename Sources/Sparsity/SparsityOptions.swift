/// Which neurons an engine computes.
public struct SparsityOptions: Sendable, Equatable {
  /// Where the lists of neurons come from.
  public var mode = SparsityMode.auto
  /// What a prediction must reach; `nil` takes the file's `powerinfer.sparse_threshold`. Infinities leave out all neurons, or
  /// none.
  public var predictorThreshold: Float?
  /// By how many standard deviations the leading bits of a gate may be wrong in ``SparsityMode/bits``: finite, 0 or more, the same in
  /// every layer; `nil` takes ``bitsMargins``.
  public var bitsMargin: Float?
  /// The same for each layer, where ``bitsMargin`` does not say one for all; `nil` takes what lies beside the model or in its file, else
  /// ``defaultBitsMargin``.
  public var bitsMargins: LeadingBitMargins?
  /// How predictors are kept in memory.
  public var predictorFormat = PredictorFormat.automatic
  /// How often neurons fire, so that hot ones are computed without asking; `nil` takes what lies beside the model or in its
  /// file, if anything.
  public var profile: ActivationProfile?
  /// The thresholds of ``SparsityMode/threshold``; `nil` takes what lies beside the model or in its file.
  public var gateThresholds: GateThresholds?
  /// Whether a prompt leaves out the neurons that decoding would. Otherwise many tokens at once compute all neurons, which
  /// is faster and loses nothing; with it, prompts measure what decoding does.
  public var masksPrompts = false

  /// The neurons of each layer that are computed here, [layers]; `nil` for all. Others are left to another executor.
  public var resident: [ResidentNeurons]?

  /// What was measured to cost next to nothing.
  public static let defaultBitsMargin: Float = 1

  /// Lossless, by what is measured to be fastest.
  public init(mode: SparsityMode = .auto) { self.mode = mode }
}

/// How predictors are kept in memory.
public enum PredictorFormat: String, Sendable, Codable, CaseIterable {
  /// In 8 bits where the file has them as floats, which are twice to four times as many bytes; else as in the file.
  case automatic = "auto"
  /// As in the file, whose pages are used.
  case file
  case q8_0
  case q4_0
}
