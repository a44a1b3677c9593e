// Products with many tokens: tiles of 64 rows, taken into shared memory.

/// How many tokens a tile of ``ShaderName/matmat`` or ``ShaderName/matmatNeurons`` has.
public enum PromptTile: UInt32, Sendable, CaseIterable {
  case tokens16 = 2
  case tokens32 = 4
  case tokens64 = 8

  /// The smallest that takes the tokens at once, or the largest.
  public init(tokens: Int) { self = tokens <= 16 ? .tokens16 : tokens <= 32 ? .tokens32 : .tokens64 }

  public var tokens: Int { Int(rawValue) * 8 }

  public func grid(rows: Int, tokens: Int) -> GPUGrid {
    GPUGrid((rows + 63) / 64, (tokens + self.tokens - 1) / self.tokens, 1)
  }

  /// Values of the constants of ``ShaderName/matmat``; of ``ShaderName/matmatNeurons`` the first two.
  public func specialization(format: WeightLayout.Format, activation: ActivationKind = .none) -> [UInt32] {
    [format.rawValue, rawValue, activation.rawValue]
  }
}

// ShaderName.matmat has the constants and bindings of ShaderName.matvec, ``MatVecConstants``. Sums are added block after block of 32
// columns, in another order than few tokens' are.

/// Constants of ``ShaderName/matmatNeurons``: `y[t, c] = Σ hidden[t, n] · w[n, c] + bias[c]` for a matrix with one row per neuron, in
/// floats and ascending order of neurons.
///
/// Bindings: codes, rest, hidden, bias, **y**. Of a matrix in parts, the first writes and the others add. Specialization:
/// ``PromptTile/specialization(format:activation:)``, the first two. Grid: ``PromptTile/grid(rows:tokens:)`` of the columns.
public struct MatMatNeuronsConstants: BitwiseCopyable, Sendable {
  public var rows: UInt32  // neurons of this part
  public var units: UInt32
  public var tokens: UInt32
  public var hiddenStride: UInt32
  public var yStride: UInt32
  public var columns: UInt32
  public var firstRow: UInt32  // of the part
  public var adds: UInt32  // 0 or 1
  public var hasBias: UInt32

  public init(
    layout: WeightLayout, firstRow: Int = 0, tokens: Int, hiddenStride: Int, yStride: Int, adds: Bool = false,
    hasBias: Bool = false
  ) {
    (rows, units, columns) = (UInt32(layout.rows), UInt32(layout.units), UInt32(layout.columns))
    (self.firstRow, self.tokens) = (UInt32(firstRow), UInt32(tokens))
    (self.hiddenStride, self.yStride) = (UInt32(hiddenStride), UInt32(yStride))
    (self.adds, self.hasBias) = (adds ? 1 : 0, hasBias ? 1 : 0)
  }
}
