import CPowerInferKernels

/// A matrix of floats in memory, as products of floats take it.
public struct FloatMatrix {
  let view: pi_floats

  /// - Parameters:
  ///   - data: must outlive the matrix.
  ///   - stride: floats from one row in memory to the next.
  ///   - isTurned: whether rows in memory are the matrix's columns.
  public init(_ data: UnsafePointer<Float>, stride: Int, isTurned: Bool = false) {
    view = pi_floats(data: data, stride: stride, is_turned: isTurned ? 1 : 0)
  }
}

/// A step of Adam (Kingma and Ba 2014, arXiv:1412.6980).
public struct AdamStep: Sendable {
  /// How far a weight goes.
  public var rate: Float
  /// β₁
  public var meanDecay: Float
  /// β₂
  public var squareDecay: Float
  /// ε
  public var epsilon: Float
  /// Share of its value that every weight loses.
  public var decay: Float
  /// Counted from 1.
  public var number: Int

  public init(
    number: Int, rate: Float, meanDecay: Float = 0.9, squareDecay: Float = 0.999, epsilon: Float = 1e-8,
    decay: Float = 0
  ) {
    self.number = number
    self.rate = rate
    self.meanDecay = meanDecay
    self.squareDecay = squareDecay
    self.epsilon = epsilon
    self.decay = decay
  }

  var view: pi_adam {
    pi_adam(
      rate: rate, mean_decay: meanDecay, square_decay: squareDecay,
      mean_factor: Self.factor(meanDecay, number), square_factor: Self.factor(squareDecay, number), epsilon: epsilon,
      decay: decay)
  }

  /// 1 / (1 - decay ^ number), by multiplication, so that it is the same bits everywhere.
  private static func factor(_ decay: Float, _ number: Int) -> Float {
    var (power, base, left) = (1.0, Double(decay), number)
    while left > 0 {
      if left & 1 == 1 { power *= base }
      base *= base
      left >>= 1
    }
    return Float(1 / (1 - power))
  }
}

/// The loops of training.
extension Kernels {
  /// Floats that ``multiply(_:_:rows:columns:depth:into:stride:scratch:)`` works in.
  public static let productScratch = Int(PI_PRODUCT_SCRATCH)

  /// `c[i * stride + j] = Σ_k a(i, k) · b(k, j)`, a [rows, depth], b [depth, columns].
  ///
  /// - Parameter scratch: ``productScratch`` floats, aligned to 64 bytes.
  public func multiply(
    _ a: FloatMatrix, _ b: FloatMatrix, rows: Int, columns: Int, depth: Int, into c: UnsafeMutablePointer<Float>,
    stride: Int, scratch: UnsafeMutablePointer<Float>
  ) {
    var (left, right) = (a.view, b.view)
    table.multiply_floats(&left, &right, rows, columns, depth, c, stride, scratch)
  }

  /// The derivative by z of factor · Σ (w · ln(1 + e⁻ᶻ) + price · ln(1 + eᶻ)), all [count].
  public func logisticGradient(
    _ z: UnsafePointer<Float>, weights: UnsafePointer<Float>, price: Float, factor: Float, count: Int,
    into gradient: UnsafeMutablePointer<Float>
  ) {
    table.logistic_gradient(z, weights, price, factor, count, gradient)
  }

  /// `y = 0` where x is not above 0, both [count].
  public func keepWherePositive(_ x: UnsafePointer<Float>, in y: UnsafeMutablePointer<Float>, count: Int) {
    table.keep_where_positive(x, y, count)
  }

  /// A step of `count` weights, with their means and squares of gradients.
  ///
  /// - Parameter rates: what each weight's rate is multiplied by; nil for 1.
  public func adam(
    _ step: AdamStep, gradient: UnsafePointer<Float>, rates: UnsafePointer<Float>? = nil, count: Int,
    values: UnsafeMutablePointer<Float>, means: UnsafeMutablePointer<Float>, squares: UnsafeMutablePointer<Float>
  ) {
    var options = step.view
    table.adam(gradient, rates, &options, count, values, means, squares)
  }
}
