// Sums of rows of a matrix that has one row per neuron (``ShaderName/down``).

/// Neurons of a layer cut into runs, and runs into pieces of eight: what decides the order in which a down projection by neurons is summed.
/// It depends on the layer alone.
public struct NeuronRuns: Sendable, Equatable {
  /// Runs of a piece.
  public static let perPiece = 8
  /// Runs of a layer at most.
  public static let most = 256

  public let neurons: Int
  /// Neurons of a run.
  public let run: Int

  public init(neurons: Int) {
    self.neurons = neurons
    run = max(32, (neurons + Self.most - 1) / Self.most)
  }

  /// Runs of the layer, filled up to whole pieces.
  public var count: Int { pieces * Self.perPiece }
  /// Partial sums of a token's output.
  public var pieces: Int { (neurons + run * Self.perPiece - 1) / (run * Self.perPiece) }
  /// Parts of a matrix begin at multiples of so many neurons.
  public var partNeurons: Int { run * Self.perPiece }
}

/// Constants of ``ShaderName/down``: `parts[piece, t, c] = Σ hidden[t, n] · w[n, c]` over the piece's neurons, plus the bias in
/// the first piece; ``ShaderName/norm`` adds the pieces.
///
/// Bindings: codes, rest, hidden, list (`UInt32`), starts (`UInt32`, of each run its first entry, and the number of entries at
/// the end), bias, **parts**. Without a list hidden is [tokens, hiddenStride] by neuron, with one by entry; list and starts are then
/// ``ShaderName/compact``'s. Specialization: ``specialization(format:isListed:tokens:)``. Neurons that give every token 0 are not
/// read.
public struct DownConstants: BitwiseCopyable, Sendable {
  public var columns: UInt32
  public var units: UInt32
  public var rows: UInt32  // neurons of this part of the matrix
  public var firstRow: UInt32  // of the part, a multiple of NeuronRuns.partNeurons
  public var run: UInt32
  public var tokens: UInt32
  public var hiddenStride: UInt32
  public var partStride: UInt32  // floats from piece to piece
  public var rowStride: UInt32  // floats from token to token of a piece
  public var hasBias: UInt32

  public init(
    layout: WeightLayout, runs: NeuronRuns, firstRow: Int = 0, tokens: Int, hiddenStride: Int, partStride: Int,
    rowStride: Int, hasBias: Bool = false
  ) {
    (columns, units, rows) = (UInt32(layout.columns), UInt32(layout.units), UInt32(layout.rows))
    (self.firstRow, run, self.tokens) = (UInt32(firstRow), UInt32(runs.run), UInt32(tokens))
    (self.hiddenStride, self.partStride) = (UInt32(hiddenStride), UInt32(partStride))
    (self.rowStride, self.hasBias) = (UInt32(rowStride), hasBias ? 1 : 0)
  }

  /// Words of a unit and tokens that a thread takes at once.
  static func tile(tokens: Int) -> (words: Int, tokens: Int) {
    switch tokens {
    case ...1: (4, 1)
    case 2: (4, 2)
    case ...4: (2, 4)
    default: (1, 8)
    }
  }

  public static func specialization(format: WeightLayout.Format, isListed: Bool, tokens: Int) -> [UInt32] {
    let tile = tile(tokens: tokens)
    // Neurons whose weights are on their way at the same time.
    let depth = min(4, 8 / tile.tokens)
    return [format.rawValue, isListed ? 1 : 0, UInt32(tile.words), UInt32(tile.tokens), UInt32(depth)]
  }

  public var grid: GPUGrid {
    let tile = Self.tile(tokens: Int(tokens))
    let places = Int(units) * 4 / tile.words
    let perPiece = Int(run) * NeuronRuns.perPiece
    return GPUGrid(
      (places + 15) / 16, (Int(rows) + perPiece - 1) / perPiece, (Int(tokens) + tile.tokens - 1) / tile.tokens)
  }
}
