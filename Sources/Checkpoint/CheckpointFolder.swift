import PowerInferPlatform

/// The weights in a folder of Hugging Face's layout, whole or in parts: `model.safetensors`, else `pytorch_model.bin`.
public struct CheckpointFolder: Sendable {
  /// All tensors, in the order of the files and of their places in them.
  public let tensors: [CheckpointTensor]
  /// The files that hold them.
  public let paths: [String]
  private let places: [String: Int]

  /// The tensor of that name.
  public subscript(name: String) -> CheckpointTensor? { places[name].map { tensors[$0] } }

  /// The stems and endings of the files looked for, the better first.
  private static let layouts = [(stem: "model", ending: ".safetensors"), (stem: "pytorch_model", ending: ".bin")]

  /// Opens the weights in a folder.
  ///
  /// - Throws: ``CheckpointError``.
  public init(_ folder: String) throws(CheckpointError) {
    for (stem, ending) in Self.layouts {
      let index = folder + "/" + stem + ending + ".index.json"
      if FileIdentity(index) != nil {
        try self.init(folder, index: index)
        return
      }
      let whole = folder + "/" + stem + ending
      if FileIdentity(whole) != nil {
        try self.init(paths: [whole])
        return
      }
    }
    throw .noCheckpoint(folder: folder)
  }

  private struct Index: Decodable {
    var parts: [String: String]
    private enum CodingKeys: String, CodingKey { case parts = "weight_map" }
  }

  private init(_ folder: String, index: String) throws(CheckpointError) {
    let map: [String: String]
    let file = try CheckpointError.mapping(index)
    do {
      map = try ExactJSON.decode(Index.self, from: file.bytes, named: "The index").parts
    } catch {
      throw .inFile(path: index, reason: error)
    }
    let names = Set(map.values.map(ExactJSON.restored)).sorted()
    for name in names {
      // A name is no path: an index must not lead out of its folder.
      guard !name.isEmpty, !name.contains("/"), name != ".." else {
        throw .inFile(path: index, reason: .shardName(name))
      }
      let path = folder + "/" + name
      guard FileIdentity(path) != nil else { throw .missingShard(path, index: index) }
    }
    try self.init(paths: names.map { folder + "/" + $0 })
    for (key, shard) in map.sorted(by: { $0.key < $1.key }) {
      let (name, path) = (ExactJSON.restored(key), folder + "/" + ExactJSON.restored(shard))
      guard self[name]?.file.path == path else { throw .notInShard(tensor: name, shard: path) }
    }
  }

  private init(paths: [String]) throws(CheckpointError) {
    var tensors: [CheckpointTensor] = []
    for path in paths {
      tensors +=
        path.hasSuffix(".safetensors")
        ? try SafetensorsFile(opening: path).tensors : try TorchFile(opening: path).tensors
    }
    try self.init(tensors, paths: paths)
  }

  private init(_ tensors: [CheckpointTensor], paths: [String]) throws(CheckpointError) {
    var places: [String: Int] = [:]
    for (index, tensor) in tensors.enumerated() {
      guard places.updateValue(index, forKey: tensor.name) == nil else { throw .duplicateTensor(tensor.name) }
    }
    self.tensors = tensors
    self.paths = paths
    self.places = places
  }
}
