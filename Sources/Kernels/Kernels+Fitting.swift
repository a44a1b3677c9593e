import CPowerInferKernels

/// Encoders that search for scales, for making models.
extension Kernels {
  /// `count` floats stored in `format` with scales for which Σ importance[i] · error[i]² is small; `count` is a multiple of the
  /// format's block.
  ///
  /// Without importance all errors count alike, but in the formats with blocks of 256, which are then what
  /// ``quantize(_:_:count:into:)`` makes of them. So they are in a block whose importance is 0 throughout. Importance that is
  /// negative or not a number counts as 0. Formats without scales are only rounded.
  public func quantizeFitted(
    _ format: WeightFormat, _ source: UnsafePointer<Float>, importance: UnsafePointer<Float>?, count: Int,
    into y: UnsafeMutableRawPointer
  ) {
    pi_quantize_fitted(format.rawValue, source, importance, count, y)
  }

  /// A row stored in `format`, its columns rounded one after the other so that each makes up for the errors of those before it.
  ///
  /// - Parameters:
  ///   - source: the row, [count].
  ///   - importance: of the columns, for the choice of scales, [count].
  ///   - factor: what error 1 of column j adds to the wanted value of column k > j, [count (j), count (k)].
  ///   - carry: scratch, [count].
  ///   - y: where the row goes.
  public func quantizeCompensated(
    _ format: WeightFormat, _ source: UnsafePointer<Float>, importance: UnsafePointer<Float>,
    factor: UnsafePointer<Float>, count: Int, carry: UnsafeMutablePointer<Float>, into y: UnsafeMutableRawPointer
  ) {
    pi_quantize_compensated(format.rawValue, source, importance, factor, count, carry, y)
  }

  /// `carry[r * count + c] += factors[r] · error[c]` for `rows` rows.
  public func spread(
    _ error: UnsafePointer<Float>, count: Int, by factors: UnsafePointer<Float>, rows: Int,
    into carry: UnsafeMutablePointer<Float>
  ) {
    pi_spread_error(error, count, factors, rows, carry)
  }
}
