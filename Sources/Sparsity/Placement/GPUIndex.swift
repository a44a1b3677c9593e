import PowerInferGGUF
public import PowerInferModel

/// Which neurons of a model the GPU computes: what PowerInfer keeps in `MODEL.gguf.generated.gpuidx`.
///
/// The file is a GGUF container that begins with `PWRI`, of the architecture `generic.gpu_index`, with `.block_count` and
/// `split.vram_capacity` and, for each layer, two tensors of 32-bit integers that are found by their place and not by
/// their name:
///
/// | tensor | shape | holds |
/// |---|---|---|
/// | `blk.N.gpu_idx` | [neurons] | 1 for a neuron on the GPU, else 0 |
/// | `blk.N.gpu_bucket` | [k] | the numbers of these neurons, ascending |
///
/// PowerInfer believes what stands in it and reads weights by it; here everything is checked first.
public struct GPUIndex: Sendable, Equatable {
  /// Neurons on the GPU by layer, ascending: [layers][k], k differing from layer to layer.
  public let buckets: [[UInt32]]
  /// Layers of the model, and neurons of each.
  public let shape: FeedForwardShape
  /// Bytes of video memory that there must be for the neurons. PowerInfer takes a file only while it has so many left, and
  /// its own generator writes what was left then, needed or not.
  public let vramCapacity: Int

  /// A list of these neurons.
  ///
  /// - Parameters:
  ///   - buckets: ascending neuron numbers for each layer.
  ///   - shape: of the model.
  ///   - vramCapacity: bytes that the neurons need.
  /// - Throws: ``GPUIndexError`` for a number of layers that is not the model's, neurons out of range or order.
  public init(buckets: [[UInt32]], shape: FeedForwardShape, vramCapacity: Int) throws(GPUIndexError) {
    guard buckets.count == shape.layers else { throw .layers(expected: shape.layers, found: buckets.count) }
    guard shape.neurons <= Int32.max else { throw .neurons(shape.neurons) }
    guard vramCapacity >= 0 else { throw .capacity(vramCapacity) }
    for (layer, bucket) in buckets.enumerated() {
      var last = -1
      for neuron in bucket.lazy.map({ Int($0) }) {
        guard neuron < shape.neurons else { throw .range(layer: layer, neuron: neuron, neurons: shape.neurons) }
        guard neuron > last else { throw .order(layer: layer, neuron: neuron, after: last) }
        last = neuron
      }
    }
    self.buckets = buckets
    self.shape = shape
    self.vramCapacity = vramCapacity
  }

  /// Where PowerInfer looks for the list of an open model; `nil` where it is no file.
  public static func path(for model: LanguageModel) -> String? { model.file.paths.first.map(path(forModelAt:)) }

  /// Where PowerInfer looks for the list of a model.
  public static func path(forModelAt path: String) -> String { path + ".generated.gpuidx" }

  static let architecture = "generic.gpu_index"
  static let layersKey = "generic.gpu_index.block_count"
  static let capacityKey = "split.vram_capacity"
}

// MARK: Reading

extension GPUIndex {
  /// Reads a file and checks it against a model.
  ///
  /// - Parameters:
  ///   - path: of the file.
  ///   - shape: of the model.
  /// - Throws: ``GPUIndexError``, naming the file.
  public init(opening path: String, shape: FeedForwardShape) throws(GPUIndexError) {
    let file = try wrapping { () throws(GGUFError) in try GGUFFile(opening: path) }
    do throws(GPUIndexError) {
      try self.init(file, shape: shape)
    } catch {
      throw .inFile(path: path, reason: error)
    }
  }

  init(_ file: GGUFFile, shape: FeedForwardShape) throws(GPUIndexError) {
    let architecture = try wrapping { () throws(GGUFError) in try file.metadata.string("general.architecture") }
    guard architecture == Self.architecture else { throw .otherKind(found: architecture) }
    guard file.magic == .powerInfer else { throw .magic(file.magic) }
    let layers = try wrapping { () throws(GGUFError) in try file.metadata.requireInteger(Self.layersKey) }
    let capacity = try wrapping { () throws(GGUFError) in try file.metadata.requireInteger(Self.capacityKey) }
    guard layers == shape.layers else { throw .layerKey(expected: shape.layers, found: layers) }
    guard file.tensors.count == 2 * shape.layers else {
      throw .tensorCount(expected: 2 * shape.layers, found: file.tensors.count)
    }
    var buckets: [[UInt32]] = []
    for layer in 0..<shape.layers {
      let (marks, listed) = (file.tensors[2 * layer], file.tensors[2 * layer + 1])
      buckets.append(try Self.bucket(layer, marks: marks, listed: listed, neurons: shape.neurons))
    }
    try self.init(buckets: buckets, shape: shape, vramCapacity: capacity)
  }

  /// The neurons listed, once it is sure that they are those marked.
  private static func bucket(
    _ layer: Int, marks: Tensor, listed: Tensor, neurons: Int
  ) throws(GPUIndexError) -> [UInt32] {
    let marks = try integers(marks)
    guard marks.values.count == neurons else {
      throw .shape(tensor: marks.name, expected: [neurons], found: [marks.values.count])
    }
    var marked = 0
    for (neuron, mark) in marks.values.enumerated() {
      guard mark == 0 || mark == 1 else { throw .mark(layer: layer, neuron: neuron, mark) }
      marked += Int(mark)
    }
    let bucket = try integers(listed).values
    for neuron in bucket {
      guard neuron >= 0, neuron < neurons else {
        throw .range(layer: layer, neuron: Int(neuron), neurons: neurons)
      }
    }
    guard bucket.count == marked else { throw .sum(layer: layer, marked: marked, listed: bucket.count) }
    for neuron in bucket where marks.values[Int(neuron)] == 0 {
      throw .unmarked(layer: layer, neuron: Int(neuron))
    }
    return bucket.map { UInt32($0) }
  }

  private static func integers(_ tensor: Tensor) throws(GPUIndexError) -> (name: String, values: [Int32]) {
    guard tensor.type == .i32 else { throw .type(tensor: tensor.name, found: tensor.type) }
    guard tensor.shape.count == 1 else { throw .rank(tensor: tensor.name, dimensions: tensor.shape.count) }
    let values = withExtendedLifetime(tensor) {
      (0..<tensor.elementCount).map {
        Int32(littleEndian: tensor.bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self))
      }
    }
    return (tensor.name, values)
  }
}

// MARK: Writing

extension GPUIndex {
  /// Writes the file, which appears under its name when it is complete.
  ///
  /// - Throws: ``GPUIndexError/container(_:)`` for a file that cannot be written.
  public func write(_ path: String) throws(GPUIndexError) {
    var metadata = Metadata()
    metadata.set("general.architecture", .string(Self.architecture))
    metadata.set(Self.layersKey, .uint32(UInt32(clamping: shape.layers)))
    metadata.set(Self.capacityKey, .uint64(UInt64(vramCapacity)))
    let tensors = buckets.enumerated().flatMap { layer, bucket in
      [
        TensorLayout(name: "blk.\(layer).gpu_idx", type: .i32, shape: [shape.neurons]),
        TensorLayout(name: "blk.\(layer).gpu_bucket", type: .i32, shape: [bucket.count]),
      ]
    }
    try wrapping { () throws(GGUFError) in
      let writer = try GGUFWriter(path, magic: .powerInfer, metadata: metadata, tensors: tensors)
      for bucket in buckets {
        var marks = [UInt32](repeating: 0, count: shape.neurons)
        for neuron in bucket { marks[Int(neuron)] = 1 }
        try writer.append(bytes(marks))
        try writer.append(bytes(bucket))
      }
      try writer.finish()
    }
  }
}

private func bytes(_ numbers: [UInt32]) -> [UInt8] {
  numbers.flatMap { number in [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: number >> $0) } }
}

private func wrapping<Value>(_ body: () throws(GGUFError) -> Value) throws(GPUIndexError) -> Value {
  do throws(GGUFError) {
    return try body()
  } catch {
    throw .container(error)
  }
}
