// Steps on whole rows: embeddings, norms, 8-bit forms, rows picked, activations on their own.

/// Constants of ``ShaderName/embed``: `y[t] = table[ids[t]]` widened to floats, or `y[t] += …`.
///
/// A table may come in parts of whole rows, each with a dispatch of its own; ids outside a part are left alone. Bindings: codes, rest,
/// ids (`UInt32`), **y**. Specialization: format. Grid: (units · 4 / 64 rounded up, tokens).
public struct EmbedConstants: BitwiseCopyable, Sendable {
  public var columns: UInt32
  public var rows: UInt32  // of this part
  public var firstRow: UInt32  // of the part, in the table
  public var units: UInt32
  public var stride: UInt32  // floats from token to token of y
  public var adds: UInt32  // 0 or 1

  public init(layout: WeightLayout, firstRow: Int = 0, stride: Int, adds: Bool = false) {
    (columns, rows, units) = (UInt32(layout.columns), UInt32(layout.rows), UInt32(layout.units))
    (self.firstRow, self.stride, self.adds) = (UInt32(firstRow), UInt32(stride), adds ? 1 : 0)
  }

  public func grid(tokens: Int) -> GPUGrid { GPUGrid((Int(units) * 4 + 63) / 64, tokens, 1) }
}

/// Constants of ``ShaderName/norm``: `residual[t] += Σ first parts + Σ second parts`, then `values[t] = norm(residual[t])` with its
/// 8-bit form.
///
/// Bindings: first, second, gain, bias, **residual**, **values**, **codes**, **scales**. All rows have the same stride; gain and
/// bias are padded with zeros to it. A part is what a block gives, [tokens, stride]: one for a product, several for
/// ``ShaderName/down``. With no parts the residual is not written. Bindings that are not used take anything, for writing too
/// only if nothing else needs it. Specialization: ``Kind``. Grid: (tokens).
public struct NormConstants: BitwiseCopyable, Sendable {
  public enum Kind: UInt32, Sendable {
    /// Adds to the residual and nothing more.
    case none = 0
    /// x / √(mean(x²) + epsilon) · gain
    case rootMeanSquare = 1
    /// (x - mean) / √(variance + epsilon) · gain + bias
    case layer = 2
  }

  public var columns: UInt32
  public var stride: UInt32  // floats from token to token, a multiple of 32
  public var firstParts: UInt32
  public var secondParts: UInt32
  public var partStride: UInt32  // floats from part to part
  public var epsilon: Float

  public init(
    columns: Int, stride: Int, firstParts: Int = 0, secondParts: Int = 0, partStride: Int = 0, epsilon: Float
  ) {
    (self.columns, self.stride) = (UInt32(columns), UInt32(stride))
    (self.firstParts, self.secondParts) = (UInt32(firstParts), UInt32(secondParts))
    (self.partStride, self.epsilon) = (UInt32(partStride), epsilon)
  }
}

/// Constants of ``ShaderName/quantize``: the 8-bit form of [tokens, stride] floats. Bindings: values, **codes**, **scales**. Grid:
/// (stride / 1024 rounded up, tokens).
public struct QuantizeConstants: BitwiseCopyable, Sendable {
  public var stride: UInt32  // a multiple of 32

  public init(stride: Int) { self.stride = UInt32(stride) }

  public func grid(tokens: Int) -> GPUGrid { GPUGrid((Int(stride) + 1023) / 1024, tokens, 1) }
}

/// Constants of ``ShaderName/gather``: `y[i] = x[rows[i]]`. Bindings: rows (`UInt32`), x, **y**, which is another buffer. Grid:
/// (stride / 1024 rounded up, rows).
public struct GatherConstants: BitwiseCopyable, Sendable {
  public var stride: UInt32  // floats from row to row, a multiple of 4

  public init(stride: Int) { self.stride = UInt32(stride) }

  public func grid(rows: Int) -> GPUGrid { GPUGrid((Int(stride) + 1023) / 1024, rows, 1) }
}

/// Constants of ``ShaderName/activate``: `hidden[t, n] = activation(gate[t, n]) · up[t, n]`, or `activation(up[t, n])` without gates; 0
/// for what rows from ``firstMasked`` on leave out, with a mask.
///
/// Bindings: gate, up, scores ([masked rows, scoreStride]), places (as of ``ShaderName/compact``), **hidden**. Specialization:
/// ``specialization(_:isGated:mask:isMapped:)``. Grid: (neurons / 256 rounded up, tokens).
public struct ActivateConstants: BitwiseCopyable, Sendable {
  /// Which neurons a row leaves out. What is not a number is left out by neither.
  public enum Mask: UInt32, Sendable {
    case none = 0
    /// Those whose score is below the threshold.
    case scores = 1
    /// Those whose activated gate, or what they give without one, is less in magnitude than the threshold.
    case magnitude = 2
  }

  public var neurons: UInt32
  public var gateStride: UInt32
  public var upStride: UInt32
  public var hiddenStride: UInt32
  public var scoreStride: UInt32
  public var threshold: Float
  public var firstMasked: UInt32

  public init(
    neurons: Int, gateStride: Int = 0, upStride: Int, hiddenStride: Int, scoreStride: Int = 0, threshold: Float = 0,
    firstMasked: Int = 0
  ) {
    (self.neurons, self.gateStride) = (UInt32(neurons), UInt32(gateStride))
    (self.upStride, self.hiddenStride) = (UInt32(upStride), UInt32(hiddenStride))
    (self.scoreStride, self.threshold) = (UInt32(scoreStride), threshold)
    self.firstMasked = UInt32(firstMasked)
  }

  /// - Parameter isMapped: whether `places` says which score is a neuron's.
  public static func specialization(
    _ activation: ActivationKind, isGated: Bool, mask: Mask = .none, isMapped: Bool = false
  ) -> [UInt32] {
    [activation.rawValue, isGated ? 1 : 0, mask.rawValue, isMapped ? 1 : 0]
  }

  public func grid(tokens: Int) -> GPUGrid { GPUGrid((Int(neurons) + 255) / 256, tokens, 1) }
}
