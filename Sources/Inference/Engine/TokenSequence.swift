/// Tokens that an engine has read one after the other, with their keys and values.
///
/// ```swift
/// let sequence = engine.makeSequence()
/// let best = try sequence.evaluate(prompt) { logits in logits.indices.max { logits[$0] < logits[$1] } }
/// ```
///
/// Costs its pages of the cache. A fork shares them until one of both goes on. When the last reference goes, so do the pages.
public final class TokenSequence: Sendable {
  /// What runs it.
  public let engine: Engine
  /// Its name in batches.
  public let id: SequenceID

  init(_ engine: Engine, _ id: SequenceID?) {
    self.engine = engine
    self.id = id ?? .none
  }

  deinit { close() }

  /// Tokens so far; 0 once it is closed.
  public var position: Int { engine.ifFree { (try? $0.position(of: id)) ?? 0 } ?? 0 }

  /// The tokens so far; none once it is closed.
  public var tokens: [Int32] { engine.ifFree { (try? $0.tokens(of: id)) ?? [] } ?? [] }

  /// Gives its pages back. Whatever is asked of it afterwards is refused.
  public func close() { engine.close(id) }

  /// Another sequence that has read the same.
  ///
  /// - Throws: ``EngineError/sequenceClosed``.
  public func fork() throws -> TokenSequence {
    TokenSequence(engine, try engine.withCore { try $0.fork(id) })
  }

  /// Forgets every token from `position` on. A position past the end changes nothing.
  public func truncate(to position: Int) {
    _ = engine.ifFree { try? $0.truncate(id, to: position) }
  }

  /// Keeps what it has read so far for later sequences that begin with it.
  ///
  /// - Throws: ``EngineError/sequenceClosed``.
  public func keepPrefix() throws { try engine.withCore { try $0.keepPrefix(of: id) } }

  /// Goes on with some tokens and gives `body` the logits of the last one, [vocabulary], valid until it returns.
  ///
  /// - Parameters:
  ///   - tokens: at least one and at most what the context has room for.
  ///   - phase: what the tokens are; by itself one is decoded, more are a prompt.
  ///   - progress: called between passes with the number of tokens done; `false` stops early, leaving the done tokens in
  ///     the sequence.
  ///   - body: what to do with the logits.
  /// - Returns: what `body` returns; `nil` where `progress` stopped early.
  /// - Throws: ``EngineError`` for no tokens, an unknown id, more tokens than the context has room for, a full cache, or a closed
  ///   sequence; what `body` throws.
  @discardableResult
  public func evaluate<Result>(
    _ tokens: [Int32], phase: Batch.Phase? = nil, progress: ((Int) -> Bool)? = nil,
    body: (UnsafeBufferPointer<Float>) throws -> Result
  ) throws -> Result? {
    var result: Result?
    try evaluate(tokens, phase: phase, logitsOf: tokens.indices.suffix(1), progress: progress) { _, logits in
      result = try body(logits)
    }
    return result
  }

  /// Goes on with some tokens, for which nobody wants logits.
  ///
  /// - Throws: as ``evaluate(_:phase:progress:body:)``.
  public func append(_ tokens: [Int32], phase: Batch.Phase? = nil) throws {
    try evaluate(tokens, phase: phase, logitsOf: 0..<0) { _, _ in }
  }

  /// Goes on with some tokens, every one of them through all of the last layer, for observers.
  ///
  /// - Throws: as ``evaluate(_:phase:progress:body:)``.
  public func read(_ tokens: [Int32], progress: ((Int) -> Bool)? = nil) throws {
    for pass in try passes(over: tokens) {
      try engine.withCore { core in
        try core.forward(core.batch([piece(core, tokens[pass], phase: .prompt, wanted: 0..<pass.count)]))
      }
      if let progress, pass.upperBound < tokens.count, !progress(pass.upperBound) { return }
    }
  }

  /// Goes on with some tokens and hands `body` the index and logits, [vocabulary], of each in turn.
  ///
  /// - Throws: as ``evaluate(_:phase:progress:body:)``.
  public func evaluateEach(_ tokens: [Int32], body: (Int, UnsafeBufferPointer<Float>) throws -> Void) throws {
    let width = engine.model.configuration.vocabularySize
    try evaluate(tokens, logitsOf: tokens.indices) { indices, logits in
      for (row, index) in indices.enumerated() {
        try body(index, UnsafeBufferPointer(rebasing: logits[row * width..<(row + 1) * width]))
      }
    }
  }

  /// Goes on with some tokens and hands `body` the logits of those whose index is in `wanted`, in order, several at a time: their
  /// indices and their logits, [indices.count, vocabulary]. Logits of other tokens are not computed.
  ///
  /// - Parameters:
  ///   - tokens: at least one and at most what the context has room for.
  ///   - phase: what the tokens are; by itself one is decoded, more are a prompt.
  ///   - wanted: indices into `tokens`.
  ///   - progress: called between passes with the number of tokens done; `false` stops early, leaving the done tokens in
  ///     the sequence.
  ///   - body: what to do with the logits, which are valid until it returns.
  /// - Throws: as ``evaluate(_:phase:progress:body:)``.
  public func evaluate(
    _ tokens: [Int32], phase: Batch.Phase? = nil, logitsOf wanted: Range<Int>, progress: ((Int) -> Bool)? = nil,
    body: (Range<Int>, UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    let passes = try passes(over: tokens)
    let phase = phase ?? Batch.Phase(tokens: tokens.count)
    for pass in passes {
      let rows = wanted.clamped(to: pass)
      let part = rows.isEmpty ? 0..<0 : rows.lowerBound - pass.lowerBound..<rows.upperBound - pass.lowerBound
      try engine.withCore { core in
        let batch = try core.batch([piece(core, tokens[pass], phase: phase, wanted: part)])
        try core.forward(batch)
        guard !rows.isEmpty else { return }
        try core.withLogits(of: batch) { some, logits in
          try body(rows.lowerBound + some.lowerBound..<rows.lowerBound + some.upperBound, logits)
        }
      }
      if let progress, pass.upperBound < tokens.count, !progress(pass.upperBound) { return }
    }
  }

  /// Goes on with some tokens as a prompt and hands `body` the last layer's normalised outputs of those whose index is in `wanted`,
  /// [some, hidden size], in order.
  func readEach(
    _ tokens: [Int32], only wanted: Range<Int>, body: (UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    for pass in try passes(over: tokens) {
      try Task.checkCancellation()
      let rows = wanted.clamped(to: pass)
      let part = rows.isEmpty ? 0..<0 : rows.lowerBound - pass.lowerBound..<rows.upperBound - pass.lowerBound
      try engine.withCore { core in
        let batch = try core.batch([piece(core, tokens[pass], phase: .prompt, wanted: part)])
        try core.forward(batch)
        if !rows.isEmpty { try core.executor.withHiddenStates(of: batch, body) }
      }
    }
  }

  private func piece(
    _ core: EngineCore, _ tokens: ArraySlice<Int32>, phase: Batch.Phase, wanted: Range<Int>
  ) throws -> Batch.Piece {
    Batch.Piece(sequence: id, position: try core.position(of: id), tokens: tokens, phase: phase, wanted: wanted)
  }

  /// The tokens of each pass, once all of them are known to fit.
  private func passes(over tokens: [Int32]) throws -> [Range<Int>] {
    guard !tokens.isEmpty else { throw EngineError.noTokens }
    try engine.withCore { try $0.check(tokens, for: id) }
    return stride(from: 0, to: tokens.count, by: engine.batchSize).map {
      $0..<min($0 + engine.batchSize, tokens.count)
    }
  }
}

extension Batch.Phase {
  /// The phase of a call with so many tokens.
  init(tokens: Int) { self = tokens > 1 ? .prompt : .decode }
}
