import PowerInferKernels

/// A one-dimensional weight (a norm's gain, a bias), widened to F32 and owned in memory of its own.
///
/// A copy, unlike matrices, because its use must not depend on how the file stores it; all of a model's vectors together
/// are a few hundred kilobytes.
// Unchecked: nothing writes to the values once they are made.
public final class Vector: @unchecked Sendable {
  /// The number of elements.
  public let count: Int
  /// [count], constant after initialisation.
  public let values: UnsafePointer<Float>

  init(format: WeightFormat, data: UnsafeRawPointer, count: Int) {
    let storage = UnsafeMutablePointer<Float>.allocate(capacity: max(count, 1))
    Kernels.active.dequantize(format, data, count: count, into: storage)
    self.count = count
    values = UnsafePointer(storage)
  }

  deinit { values.deallocate() }
}
