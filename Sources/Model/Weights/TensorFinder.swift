import PowerInferGGUF
import PowerInferKernels

/// Looks tensors up by name, checks type and shape, and remembers which were used.
struct TensorFinder {
  private let file: GGUFFile
  private let copy: WeightCopy?
  private var unused: Set<String>

  /// - Parameters:
  ///   - file: with all tensors.
  ///   - copy: where their bytes are to be found, if not in the file.
  init(file: GGUFFile, copy: WeightCopy?) {
    self.file = file
    self.copy = copy
    unused = Set(file.tensors.map(\.name))
  }

  mutating func matrix(_ name: String, columns: Int, rows: Int) throws -> Matrix {
    guard let found = try optionalMatrix(name, columns: columns, rows: rows) else {
      throw ModelError.missingTensor(name)
    }
    return found
  }

  mutating func optionalMatrix(_ name: String, columns: Int, rows: Int?) throws -> Matrix? {
    guard let (tensor, format) = try take(name) else { return nil }
    guard tensor.shape.count == 2, tensor.shape[0] == columns, rows == nil || tensor.shape[1] == rows else {
      throw ModelError.wrongShape(
        tensor: name, expected: [columns, rows ?? tensor.shape.last ?? 0], found: tensor.shape)
    }
    guard let base = address(of: tensor) else { throw ModelError.missingTensor(name) }
    return Matrix(
      format: format, rows: tensor.shape[1], columns: columns, data: base,
      layout: copy?.layout(of: tensor) ?? .blocks)
  }

  mutating func vector(_ name: String, count: Int) throws -> Vector {
    guard let found = try optionalVector(name, count: count) else { throw ModelError.missingTensor(name) }
    return found
  }

  mutating func optionalVector(_ name: String, count: Int) throws -> Vector? {
    guard let (tensor, format) = try take(name) else { return nil }
    guard tensor.shape == [count] else {
      throw ModelError.wrongShape(tensor: name, expected: [count], found: tensor.shape)
    }
    guard let base = address(of: tensor) else { throw ModelError.missingTensor(name) }
    return Vector(format: format, data: base, count: count)
  }

  /// A norm's weights, [d] each: a gain, and a bias where the family's norms have one.
  mutating func norm(_ name: String, _ c: ModelConfiguration) throws -> NormWeights {
    guard let found = try optionalNorm(name, c) else { throw ModelError.missingTensor(name + ".weight") }
    return found
  }

  mutating func optionalNorm(_ name: String, _ c: ModelConfiguration) throws -> NormWeights? {
    guard let gain = try optionalVector(name + ".weight", count: c.hiddenSize) else { return nil }
    switch c.architecture.norm {
    case .rootMeanSquare: return NormWeights(gain: gain, bias: nil)
    case .layer: return NormWeights(gain: gain, bias: try vector(name + ".bias", count: c.hiddenSize))
    }
  }

  mutating func bias(_ name: String, count: Int, _ biases: Biases) throws -> Vector? {
    switch biases {
    case .none: nil
    case .ifPresent: try optionalVector(name, count: count)
    case .everywhere: try vector(name, count: count)
    }
  }

  /// Llama 3's frequency divisors; each must be a positive number.
  mutating func divisors(_ name: String, count: Int) throws -> [Float]? {
    guard let vector = try optionalVector(name, count: count) else { return nil }
    let values = Array(UnsafeBufferPointer(start: vector.values, count: count))
    if let bad = values.first(where: { !($0 > 0) || !$0.isFinite }) {
      throw ModelError.invalidValue(key: name, value: "\(bad)", expected: "positive numbers")
    }
    return values
  }

  /// The two matrices of a predictor, whose ranks must agree; `nil` where the file has neither.
  mutating func predictor(fc1: String, fc2: String, columns: Int, neurons: Int) throws -> PredictorWeights? {
    let first = try optionalMatrix(fc1, columns: columns, rows: nil)
    guard let first else {
      guard file.tensor(named: fc2) == nil else { throw ModelError.missingTensor(fc1) }
      return nil
    }
    return PredictorWeights(fc1: first, fc2: try matrix(fc2, columns: first.rows, rows: neurons))
  }

  /// A tensor that older converters wrote and nothing needs.
  mutating func ignore(_ name: String) { unused.remove(name) }

  func expectNothingLeft() throws {
    if let left = unused.min() { throw ModelError.unexpectedTensor(left) }
  }

  private func address(of tensor: Tensor) -> UnsafeRawPointer? {
    copy.map { $0.address(of: tensor) } ?? tensor.bytes.baseAddress
  }

  private mutating func take(_ name: String) throws -> (Tensor, WeightFormat)? {
    guard let tensor = file.tensor(named: name) else { return nil }
    guard let format = WeightFormat(rawValue: tensor.type.rawValue) else {
      let supported = WeightFormat.allCases.compactMap { TensorType(rawValue: $0.rawValue)?.name }
      throw ModelError.unsupportedType(tensor: name, type: tensor.type.name, supported: supported)
    }
    unused.remove(name)
    return (tensor, format)
  }
}
