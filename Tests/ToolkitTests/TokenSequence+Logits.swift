import PowerInfer

extension TokenSequence {
  /// The logits after some tokens, [vocabulary].
  func evaluate(_ tokens: [Int32]) throws -> [Float] { try evaluate(tokens) { Array($0) } ?? [] }
}
