/// How the vectors of a text's tokens become the text's.
public enum EmbeddingPooling: String, Sendable, Codable, CaseIterable {
  /// Their mean.
  case mean
  /// The last token's, which has read all others.
  case last
  /// The first token's, for models that were trained to gather the text there.
  case cls
}

extension Engine {
  /// The vector of a text, of the length 1: [hidden size].
  ///
  /// The text is read like a prompt, beside whatever else the engine does: other calls take turns with its passes. The vector is
  /// made of the last layer's normalised outputs. One of zeros stays as it is.
  ///
  /// - Parameters:
  ///   - tokens: at least one and at most what the context holds.
  ///   - pooling: how the tokens' vectors become one.
  /// - Throws: ``EngineError``, ``EngineError/noHiddenStates`` among them where the model does not run on the processor;
  ///   `CancellationError` where the task is cancelled.
  public func embedding(of tokens: [Int32], pooling: EmbeddingPooling) throws -> [Float] {
    let sequence = makeSequence()
    defer { sequence.close() }
    let size = model.configuration.hiddenSize
    var sum = [Double](repeating: 0, count: size)
    var count = 0
    try sequence.readEach(tokens, only: pooling.wanted(of: tokens.count)) { states in
      for row in 0..<states.count / size {
        for column in 0..<size { sum[column] += Double(states[row * size + column]) }
        count += 1
      }
    }
    let norm = sum.reduce(0) { $0 + $1 * $1 }.squareRoot()
    guard norm > 0, norm.isFinite else { return sum.map { _ in 0 } }
    return sum.map { Float($0 / norm) }
  }
}

extension EmbeddingPooling {
  /// The tokens whose vectors are pooled.
  fileprivate func wanted(of count: Int) -> Range<Int> {
    switch self {
    case .mean: 0..<count
    case .last: max(0, count - 1)..<count
    case .cls: 0..<min(1, count)
    }
  }
}
