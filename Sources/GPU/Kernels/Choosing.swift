// From logits to what travels to the host: the likeliest token, or some candidates.

/// What a sampler does to a row's logits: ``ShaderName/penalize``.
public struct PenaltyRow: BitwiseCopyable, Sendable {
  public var start: UInt32  // of its entries
  public var count: UInt32
  public var repeatPenalty: Float  // divides positive logits, multiplies others; 1: none
  public var frequencyPenalty: Float  // subtracted for every time a token occurred
  public var presencePenalty: Float  // subtracted once

  public init(start: Int, count: Int, repeatPenalty: Float, frequencyPenalty: Float, presencePenalty: Float) {
    (self.start, self.count) = (UInt32(start), UInt32(count))
    (self.repeatPenalty, self.frequencyPenalty) = (repeatPenalty, frequencyPenalty)
    self.presencePenalty = presencePenalty
  }
}

/// A token whose logit is changed; no row names one twice.
public struct PenaltyEntry: BitwiseCopyable, Sendable {
  public var token: UInt32
  public var count: UInt32  // how often it occurred; 0: no penalty
  public var bias: Float  // added first; minus infinity forbids the token

  public init(token: Int32, count: Int, bias: Float = 0) {
    (self.token, self.count, self.bias) = (UInt32(bitPattern: token), UInt32(count), bias)
  }
}

/// Constants of ``ShaderName/penalize``, which changes logits in place, and of ``ShaderName/likeliest``.
///
/// Bindings of `penalize`: rows (``PenaltyRow``), entries (``PenaltyEntry``), **logits** ([rows, stride]); grid: (most entries of a row / 64
/// rounded up, rows). Of `likeliest`: logits, **tokens** (`UInt32` per row: the first of the greatest, `UInt32.max` where none is
/// above minus infinity); grid: (rows).
public struct LogitsConstants: BitwiseCopyable, Sendable {
  public var stride: UInt32  // logits from row to row
  public var vocabulary: UInt32

  public init(stride: Int, vocabulary: Int) { (self.stride, self.vocabulary) = (UInt32(stride), UInt32(vocabulary)) }
}

/// Constants of ``ShaderName/candidates``: the likeliest tokens of every row, likeliest first, equal ones by token; what is not a
/// number is none.
///
/// Bindings: logits ([rows, stride]), **candidates** ([rows, wanted]: token as `UInt32`, logit), **found** (`UInt32` per row). Grid:
/// (rows).
public struct CandidatesConstants: BitwiseCopyable, Sendable {
  /// Candidates of a row at most.
  public static let most = 1024

  public var stride: UInt32
  public var vocabulary: UInt32
  public var wanted: UInt32  // 1...most

  public init(stride: Int, vocabulary: Int, wanted: Int) {
    (self.stride, self.vocabulary) = (UInt32(stride), UInt32(vocabulary))
    self.wanted = UInt32(min(max(wanted, 1), Self.most))
  }
}
