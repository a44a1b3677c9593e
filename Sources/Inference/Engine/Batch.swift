/// The rows that one pass over the weights computes: tokens of one or several sequences, pieces of prompts and tokens of answers
/// side by side.
///
/// ```swift
/// let batch = Batch([
///   Batch.Piece(sequence: first.id, position: 0, tokens: prompt[...], phase: .prompt, wanted: 6..<7),
///   Batch.Piece(sequence: second.id, position: 41, tokens: [17], phase: .decode, wanted: 0..<1),
/// ])
/// try engine.run(batch) { rows, logits in … }
/// ```
///
/// An immutable value: nothing about a pass is set anywhere else.
public struct Batch: Sendable, Equatable {
  /// Which part of a request a row belongs to. It decides which neurons may be left out, and with
  /// ``Arithmetic/byPhase`` in which order sums are added.
  public enum Phase: UInt8, Sendable, Codable, CaseIterable {
    /// Tokens that are given.
    case prompt
    /// Tokens that were chosen, which come one by one.
    case decode
  }

  /// What decides in which order the sums of a row are added. Results of the two differ by rounding.
  public enum Arithmetic: Sendable {
    /// The number of rows: whatever is fastest.
    case byCount
    /// The row's own phase, so that a row's results do not depend on the rows beside it.
    case byPhase
  }

  /// Consecutive tokens of one sequence.
  public struct Piece: Sendable, Equatable {
    /// Whose tokens.
    public var sequence: SequenceID
    /// Of the first token: as many as the sequence has tokens.
    public var position: Int
    /// At least one.
    public var tokens: ArraySlice<Int32>
    public var phase: Phase
    /// Whose logits are wanted, counted from the piece's first token.
    public var wanted: Range<Int>

    /// - Parameters:
    ///   - sequence: whose tokens.
    ///   - position: of the first token.
    ///   - tokens: at least one.
    ///   - phase: what the tokens are.
    ///   - wanted: whose logits are wanted, counted from the first token; an empty range wants none.
    public init(sequence: SequenceID, position: Int, tokens: ArraySlice<Int32>, phase: Phase, wanted: Range<Int>) {
      self.sequence = sequence
      self.position = position
      self.tokens = tokens
      self.phase = phase
      self.wanted = wanted
    }
  }

  /// A token of the batch.
  public struct Row: Sendable, Equatable {
    public var token: Int32
    public var sequence: SequenceID
    public var position: Int
    public var wantsLogits: Bool
    public var phase: Phase
    /// Whether neurons may be left out, as the activation source says.
    public var maySkip: Bool
  }

  /// In the order of rows: all of prompts before all of answers, otherwise as they were given.
  public let pieces: [Piece]
  /// Rows in all.
  public let count: Int
  /// The first rows, which are of prompts.
  public let promptCount: Int
  /// Rows whose logits are wanted.
  public let wantedCount: Int
  public let arithmetic: Arithmetic
  /// Rows that may leave out neurons: the last ones, or all.
  public let skipping: Range<Int>

  /// - Parameters:
  ///   - pieces: in any order; those of one sequence in the order of their positions.
  ///   - arithmetic: what decides in which order sums are added.
  ///   - skipsInPrompts: whether prompts leave out neurons as answers do.
  public init(_ pieces: [Piece], arithmetic: Arithmetic = .byCount, skipsInPrompts: Bool = false) {
    let prompts = pieces.count { $0.phase == .prompt }
    self.pieces =
      prompts == 0 || prompts == pieces.count
      ? pieces : pieces.filter { $0.phase == .prompt } + pieces.filter { $0.phase == .decode }
    count = pieces.reduce(0) { $0 + $1.tokens.count }
    promptCount = pieces.reduce(0) { $0 + ($1.phase == .prompt ? $1.tokens.count : 0) }
    wantedCount = pieces.reduce(0) { $0 + $1.wanted.count }
    self.arithmetic = arithmetic
    skipping = (skipsInPrompts ? 0 : promptCount)..<count
  }

  /// Every row, in order.
  public var rows: [Row] {
    pieces.flatMap { piece in
      piece.tokens.enumerated().map { offset, token in
        Row(
          token: token, sequence: piece.sequence, position: piece.position + offset,
          wantsLogits: piece.wanted.contains(offset), phase: piece.phase,
          maySkip: piece.phase == .decode || skipping.lowerBound == 0)
      }
    }
  }
}

/// Names a sequence of an engine.
public struct SequenceID: Hashable, Sendable {
  let number: Int
  /// Whose sequence it is: numbers begin anew in every engine.
  let engine: Int

  init(_ number: Int, engine: Int = 0) {
    self.number = number
    self.engine = engine
  }

  /// What a call from inside another one gets, which cannot make a sequence.
  static let none = SequenceID(-1)
}
