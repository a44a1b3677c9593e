import PowerInferCheckpoint
import PowerInferGGUF

/// A tensor of the result, and where its numbers come from.
struct PlannedTensor: Sendable {
  let layout: TensorLayout
  let source: SourceRows
}

/// Takes tensors out of a checkpoint by name, checks their shapes, gives each its place in the result, and remembers which
/// are left.
struct TensorTaker {
  private(set) var tensors: [PlannedTensor] = []
  private let weights: CheckpointFolder
  private let types: TypeChoice
  private var unused: Set<String>
  /// What all names begin with in this checkpoint.
  let prefix: String

  /// - Parameters:
  ///   - prefixes: with which names may begin.
  ///   - landmark: a name that every checkpoint has, without the prefix.
  init(_ weights: CheckpointFolder, types: TypeChoice, prefixes: [String], landmark: String) {
    self.weights = weights
    self.types = types
    unused = Set(weights.tensors.map(\.name))
    prefix = prefixes.first { weights[$0 + landmark] != nil } ?? prefixes[0]
  }

  func has(_ name: String) -> Bool { weights[prefix + name] != nil }

  /// A matrix, [rows, columns].
  mutating func matrix(
    _ name: String, as target: String, rows: Int, columns: Int, order: RowOrder = .asStored
  ) throws(ConvertError) {
    let tensor = try take(prefix + name, shape: [rows, columns])
    add(target + ".weight", SourceRows(tensor, order: order), shape: [columns, rows])
  }

  /// A matrix that is written with its columns as rows.
  mutating func transposedMatrix(_ name: String, as target: String, rows: Int, columns: Int) throws(ConvertError) {
    let tensor = try take(prefix + name, shape: [rows, columns])
    add(target + ".weight", SourceRows(transposing: tensor), shape: [rows, columns])
  }

  /// A vector, which is written as F32; `target` is its whole name.
  mutating func vector(
    _ name: String, as target: String, count: Int, order: RowOrder = .asStored
  ) throws(ConvertError) {
    let tensor = try take(prefix + name, shape: [count])
    tensors.append(
      PlannedTensor(
        layout: TensorLayout(name: target, type: .f32, shape: [count]), source: SourceRows(tensor, order: order)))
  }

  /// Gain and bias of a layer norm.
  mutating func layerNorm(_ name: String, as target: String, count: Int) throws(ConvertError) {
    try vector(name + ".weight", as: target + ".weight", count: count)
    try vector(name + ".bias", as: target + ".bias", count: count)
  }

  /// The output matrix, outside the prefix; nothing where the embeddings serve as one.
  mutating func output(rows: Int, columns: Int, isTied: Bool) throws(ConvertError) {
    let name = "lm_head.weight"
    if isTied {
      unused.remove(name)
    } else {
      let tensor = try take(name, shape: [rows, columns])
      add("output.weight", SourceRows(tensor), shape: [columns, rows])
    }
  }

  /// Numbers that no file holds.
  mutating func computed(_ numbers: [Float], as target: String) {
    tensors.append(
      PlannedTensor(
        layout: TensorLayout(name: target, type: .f32, shape: [numbers.count]), source: SourceRows(computed: numbers)))
  }

  /// Predictors, found and checked.
  mutating func predictors(_ predictors: [PredictorFolder.Layer]) {
    for (index, layer) in predictors.enumerated() {
      for (name, tensor) in [("fc1", layer.fc1), ("fc2", layer.fc2)] {
        add("blk.\(index).\(name).weight", SourceRows(tensor), shape: tensor.shape.reversed())
      }
    }
  }

  /// Makes sure that nothing is left but what is computed anew wherever it is needed.
  func expectNothingLeft() throws(ConvertError) {
    let computed = [".inv_freq", ".masked_bias", ".attention.bias", ".attn.bias"]
    if let left = unused.filter({ name in !computed.contains { name.hasSuffix($0) } }).min() {
      throw .unexpectedTensor(left)
    }
  }

  private mutating func take(_ name: String, shape: [Int]) throws(ConvertError) -> CheckpointTensor {
    guard let tensor = weights[name] else { throw .missingTensor(name) }
    guard tensor.shape == shape else { throw .shape(tensor: name, expected: shape, found: tensor.shape) }
    guard tensor.type.isReal else { throw .elementType(tensor: name, found: tensor.type) }
    try reading { () throws(CheckpointError) in try tensor.expectDense() }
    unused.remove(name)
    return tensor
  }

  private mutating func add(_ name: String, _ source: SourceRows, shape: [Int]) {
    let type = types.type(of: name, columns: shape[0])
    tensors.append(PlannedTensor(layout: TensorLayout(name: name, type: type, shape: shape), source: source))
  }
}

/// Which type a matrix gets.
struct TypeChoice: Sendable {
  let options: QuantizeOptions
  /// Whether the embeddings are the output matrix.
  let isTied: Bool

  func type(of name: String, columns: Int) -> TensorType {
    let isOutput = name == (isTied ? "token_embd.weight" : "output.weight")
    let wanted = isOutput ? options.usualOutputType : options.type
    return wanted.candidates.first { columns % $0.blockElements == 0 } ?? .f16
  }
}
