import PowerInferPlatform

/// A file that `torch.save` of PyTorch 1.6 or later wrote, of one tensor or of a dictionary of tensors.
///
/// It is a ZIP archive that holds a pickle, which describes the tensors, and their numbers, stored as they are. The archive
/// is mapped; of the pickle only tensors are taken, and no code in it is run.
public struct TorchFile: Sendable {
  /// In the order of the dictionary; the one tensor of a file that holds no dictionary is called "".
  public let tensors: [CheckpointTensor]

  /// Opens a file.
  ///
  /// - Throws: ``CheckpointError``, naming the file.
  public init(opening path: String) throws(CheckpointError) {
    let file = try CheckpointError.mapping(path)
    do {
      tensors = try Self.tensors(of: file)
    } catch {
      throw .inFile(path: path, reason: error)
    }
  }

  static func tensors(of file: MappedFile) throws(CheckpointError) -> [CheckpointTensor] {
    guard !file.bytes.isEmpty else { throw .empty }
    // Before archives: a pickle of a number, and a tar archive.
    if file.bytes.starts(with: legacyMagic) || file.bytes.dropFirst(257).starts(with: "ustar".utf8) {
      throw .legacyTorch
    }
    guard file.bytes.starts(with: "PK".utf8) else { throw .notTorch(found: Array(file.bytes.prefix(4))) }
    let archive = try ZipArchive(file.bytes)
    guard let pickle = archive.members.first(where: { $0.name.hasSuffix("/data.pkl") || $0.name == "data.pkl" }) else {
      throw .missingMember("data.pkl")
    }
    let folder = pickle.name.dropLast("data.pkl".count)
    let members = Dictionary(archive.members.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    if let order = members[folder + "byteorder"], !archive.bytes(of: order).elementsEqual("little".utf8) {
      throw .bigEndian
    }

    let content = archive.bytes(of: pickle)
    guard content.count <= Unpickler.longestPickle else { throw .pickleTooLong(bytes: content.count) }
    var unpickler = try Unpickler(try archive.checkedBytes(of: pickle))
    let root = try unpickler.run()

    func tensor(_ index: Int, named name: String) throws(CheckpointError) -> CheckpointTensor {
      let view = unpickler.tensors[index]
      let key = folder + "data/" + view.storage.key
      guard let member = members[key] else { throw .storageMissing(tensor: name, member: key) }
      guard let extent = CheckpointTensor.extent(view.shape, strides: view.strides), extent <= Int.max / 16,
        (0...Int.max / 16).contains(view.offset)
      else { throw .badShape(tensor: name) }
      let size = view.storage.type.byteCount
      let (start, end) = (view.offset * size, (view.offset + extent) * size)
      guard end <= member.range.count else {
        throw .storageTooShort(tensor: name, expected: end, found: member.range.count)
      }
      return CheckpointTensor(
        name: name, type: view.storage.type, shape: view.shape, strides: view.strides,
        bytes: UnsafeRawBufferPointer(rebasing: archive.bytes(of: member)[start..<end]), file: file)
    }

    switch root {
    case .tensor(let index):
      return [try tensor(index, named: "")]
    case .dictionary(let index):
      var tensors: [CheckpointTensor] = []
      var names = Set<String>()
      for (key, value) in unpickler.dictionaries[index] {
        guard case .tensor(let index) = value, case .string(let name) = key else {
          throw .notTensors(found: "\(value.inWords) in its dictionary")
        }
        guard names.insert(name).inserted else { throw .duplicateTensor(name) }
        tensors.append(try tensor(index, named: name))
      }
      return tensors
    default:
      throw .notTensors(found: root.inWords)
    }
  }

  /// The pickle of the number 0x1950a86a20f9469cfc6c.
  private static let legacyMagic: [UInt8] = [
    0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19,
  ]
}
