// Products of weights with the activations of few tokens: ``ShaderName/matvec`` and ``ShaderName/gateup``, with all rows or a list.
//
// Activations are [tokens, stride] floats, stride being the columns rounded up to 32; what lies behind the columns is 0, which holds
// when buffers are filled with 0 once, for no kernel writes there anything else. Their 8-bit form is codes [tokens, stride] of one
// byte and scales [tokens, stride / 32] of 8 bytes (``ShaderName/quantize`` and ``ShaderName/norm`` write both). Formats for which
// ``WeightLayout/Format/usesEightBitActivations`` holds read the 8-bit form, the others the floats; the other binding takes
// anything. So do `bias`, and `rest` of F32 and F16, where they are not used.

/// What a kernel does with a product.
public enum ActivationKind: UInt32, Sendable {
  case none = 0
  case relu = 1
  case silu = 2
  case gelu = 3
  /// Of gated neurons: ReLU of the gate and of the up projection.
  case reluBoth = 4
}

/// Constants of ``ShaderName/matvec``: `y[t, yOffset + r] = activation(Σ w[r, c] · x[t, c] + bias[yOffset + r])`.
///
/// Bindings: codes, rest, x values, x codes, x scales, bias, **y**. Specialization: format, lanes, rows, tokens, ``ActivationKind``, depth:
/// ``ProductTiling/specialization(format:activation:)``. Grid: ``ProductTiling/grid(rows:tokens:)``.
public struct MatVecConstants: BitwiseCopyable, Sendable {
  public var rows: UInt32  // of this part of the matrix
  public var units: UInt32  // of a row: WeightLayout.units
  public var tokens: UInt32
  public var xStride: UInt32  // floats from token to token, a multiple of 32
  public var yStride: UInt32  // floats from token to token
  public var yOffset: UInt32  // of the part's first row in a token's outputs
  public var hasBias: UInt32  // 0 or 1

  public init(layout: WeightLayout, tokens: Int, xStride: Int, yStride: Int, yOffset: Int = 0, hasBias: Bool = false) {
    (rows, units, self.tokens) = (UInt32(layout.rows), UInt32(layout.units), UInt32(tokens))
    (self.xStride, self.yStride, self.yOffset) = (UInt32(xStride), UInt32(yStride), UInt32(yOffset))
    self.hasBias = hasBias ? 1 : 0
  }
}

/// Constants of ``ShaderName/matvecListed``: entry i of the list names row r, and
/// `y[t, i] = activation(Σ w[r, c] · x[t, c] + bias[yOffset + r])`, or `activation(gate[t, r]) · (…)` with gates.
///
/// Bindings: codes, rest, x values, x codes, x scales, bias, gate, list, counts, **y**. Specialization: as there, and
/// 1 with gates. Grid: as many groups as the whole matrix would take, or by `dispatchIndirect` as many as
/// ``ShaderName/compact`` wrote.
public struct MatVecListedConstants: BitwiseCopyable, Sendable {
  public var all: MatVecConstants
  public var gateStride: UInt32  // floats from token to token of the gates
  public var countAt: UInt32  // index of the number of entries in `counts`

  public init(_ all: MatVecConstants, gateStride: Int = 0, countAt: Int = 0) {
    self.all = all
    (self.gateStride, self.countAt) = (UInt32(gateStride), UInt32(countAt))
  }
}

/// Constants of ``ShaderName/gateup``: `y[t, yOffset + n] = activation(gate[n] · x[t]) · (up[n] · x[t])`, both matrices in one
/// format; and of ``ShaderName/gateupListed``, where entry i of the list names neuron n, the result is y[t, i], and gate[n] · x[t] is
/// gates[t, i].
///
/// Bindings: gate codes, gate rest, up codes, up rest, x values, x codes, x scales, **y**; with a list: …, x scales, list, counts,
/// **y**, **gates**. Specialization: as there.
public struct GateUpConstants: BitwiseCopyable, Sendable {
  public var rows: UInt32  // neurons of this part of the matrices
  public var units: UInt32
  public var tokens: UInt32
  public var xStride: UInt32
  public var yStride: UInt32
  public var yOffset: UInt32  // of the part's first neuron; 0 with a list
  public var countAt: UInt32  // with a list: index of the number of entries in `counts`

  public init(layout: WeightLayout, tokens: Int, xStride: Int, yStride: Int, yOffset: Int = 0, countAt: Int = 0) {
    (rows, units, self.tokens) = (UInt32(layout.rows), UInt32(layout.units), UInt32(tokens))
    (self.xStride, self.yStride) = (UInt32(xStride), UInt32(yStride))
    (self.yOffset, self.countAt) = (UInt32(yOffset), UInt32(countAt))
  }
}

/// How a product is divided among threads: groups of 128, in slots of `lanes` threads that compute `rows` rows for `tokens` tokens.
/// The order in which a row's products are summed depends on `lanes` alone.
public struct ProductTiling: Sendable, Equatable {
  /// Threads that share a row: a power of two from 4 to 128.
  public var lanes: Int
  /// Rows of a slot. Times ``tokens`` 16 at most.
  public var rows: Int
  /// Tokens for which a weight is read once, 16 at most.
  public var tokens: Int
  /// Units that a thread loads before it uses them, 1 or 2: what is on its way at the same time. Results are the same bits.
  public var depth = 1

  public static let threads = 128
  /// Rows times tokens of a slot.
  public static let most = 16

  public init(lanes: Int, rows: Int, tokens: Int, depth: Int = 1) {
    (self.lanes, self.rows, self.tokens, self.depth) = (lanes, rows, tokens, depth)
  }

  /// What suits a device. Where many lanes share a row, neighbours load neighbouring units; where a row has few units, fewer lanes
  /// leave fewer of them idle. A software device loads word by word, so that it wants every activation used for many rows.
  ///
  /// - Parameters:
  ///   - units: of a row.
  ///   - tokens: at once.
  ///   - matrixRows: where they are few, slots have fewer, so that there are workgroups enough.
  ///   - isSoftware: whether the device is the processor itself.
  public init(units: Int, tokens: Int, matrixRows: Int = .max, isSoftware: Bool) {
    self.tokens = min(max(tokens, 1), Self.most)
    let room = Self.most / self.tokens
    if isSoftware {
      (lanes, rows) = (4, min(matrixRows < 1024 ? 2 : 4, room))
      return
    }
    lanes = units >= 64 ? 32 : units >= 24 ? 16 : 8
    rows = min(matrixRows < 1024 ? 1 : 2, room)
    depth = units >= 2 * lanes && self.tokens <= 4 ? 2 : 1
  }

  /// Rows of a workgroup.
  public var groupRows: Int { Self.threads / lanes * rows }

  public func grid(rows count: Int, tokens: Int) -> GPUGrid {
    GPUGrid((count + groupRows - 1) / groupRows, (tokens + self.tokens - 1) / self.tokens, 1)
  }

  /// Values of the constants of ``ShaderName/matvec`` and ``ShaderName/gateup``.
  public func specialization(format: WeightLayout.Format, activation: ActivationKind = .none) -> [UInt32] {
    [format.rawValue, UInt32(lanes), UInt32(rows), UInt32(tokens), activation.rawValue, UInt32(depth)]
  }
}
