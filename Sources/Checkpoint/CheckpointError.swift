public import PowerInferPlatform

/// What is wrong with a checkpoint, or with how it was asked.
public enum CheckpointError: Error, Equatable, CustomStringConvertible {
  // The file.
  case file(FileError)
  indirect case inFile(path: String, reason: CheckpointError)
  case empty
  case notJSON(String)
  case notUTF8

  // Safetensors.
  case shorterThanLength(bytes: Int)
  case headerTooLong(bytes: UInt64)
  case headerPastEnd(bytes: UInt64, available: Int)
  case unknownType(tensor: String, type: String)
  case badShape(tensor: String)
  case badRange(tensor: String, from: Int, to: Int, available: Int)
  case wrongByteCount(tensor: String, expected: Int, found: Int)
  case overlap(first: String, second: String)
  case unclaimed(bytes: Int, at: Int)

  // ZIP archives.
  case legacyTorch
  case notTorch(found: [UInt8])
  case noDirectory
  case directoryOutside
  case tooManyMembers(UInt64)
  case compressed(member: String)
  case encrypted(member: String)
  case memberOutside(String)
  case membersOverlap(first: String, second: String)
  case memberNameDiffers(String)
  case duplicateMember(String)
  case missingMember(String)
  case checksum(member: String)
  case bigEndian

  // Pickles.
  case pickleTooLong(bytes: Int)
  case pickleEnds(at: Int)
  case pickleVersion(Int)
  case pickleOperation(UInt8, at: Int)
  case pickleStructure(at: Int)
  case forbiddenGlobal(String)
  case notTensors(found: String)

  // Tensors.
  case storageMissing(tensor: String, member: String)
  case storageTooShort(tensor: String, expected: Int, found: Int)
  case duplicateTensor(String)
  case missingTensor(String)
  case shape(tensor: String, expected: [Int], found: [Int])
  case dimensions(tensor: String, expected: Int, found: Int)
  case type(tensor: String, expected: String, found: ElementType)
  case strides(tensor: String, shape: [Int], found: [Int])

  // Folders.
  case noCheckpoint(folder: String)
  case missingShard(String, index: String)
  case shardName(String)
  case notInShard(tensor: String, shard: String)

  public var description: String {
    switch self {
    case .file(let error):
      return error.description
    case .inFile(let path, let reason):
      return "\(quoted(path)): \(reason)"
    case .empty:
      return "The file is empty, where a checkpoint was expected."
    case .notJSON(let what):
      return "\(what) is not JSON of the form expected."
    case .notUTF8:
      return "The text is not valid UTF-8, which was expected."

    case .shorterThanLength(let bytes):
      return "The file has \(counted(bytes, "byte")), but the length of a safetensors header alone takes 8."
    case .headerTooLong(let bytes):
      return "The header announces \(bytes) bytes, where safetensors allow at most \(SafetensorsFile.longestHeader)."
    case .headerPastEnd(let bytes, let available):
      return "The header announces \(bytes) bytes, but only \(available) follow; the file is cut off or no "
        + "safetensors file."
    case .unknownType(let tensor, let type):
      return "\(named(tensor)) has the unknown type \(quoted(type)); expected one of "
        + ElementType.allCases.map(\.rawValue).joined(separator: ", ") + "."
    case .badShape(let tensor):
      return "\(named(tensor)) has a shape that cannot be: a negative dimension, or more elements than can be counted."
    case .badRange(let tensor, let from, let to, let available):
      return "\(named(tensor)) is said to lie at bytes \(from) to \(to), where 0 to \(available) are there."
    case .wrongByteCount(let tensor, let expected, let found):
      return "\(named(tensor)) takes \(counted(expected, "byte")) by its shape and type, but \(found) by its place."
    case .overlap(let first, let second):
      return "The tensors \(quoted(first)) and \(quoted(second)) overlap."
    case .unclaimed(let bytes, let offset):
      return "The \(counted(bytes, "byte")) at \(offset) of the data belong to no tensor; perhaps a name is there "
        + "twice."

    case .legacyTorch:
      return "The file is of the format that torch.save wrote before PyTorch 1.6; torch.load and torch.save of a newer "
        + "version rewrite it."
    case .notTorch(let found):
      return "This is not a PyTorch file: it starts with the bytes \(hexadecimal(found)), where 50 4b 03 04 (ZIP) was "
        + "expected."
    case .noDirectory:
      return "The file ends too early: a ZIP archive's list of members is missing at its end."
    case .directoryOutside:
      return "The archive's list of members is not where its end says; the file is damaged."
    case .tooManyMembers(let count):
      return "The archive announces \(count) members, more than its list can hold."
    case .compressed(let member):
      return "The archive's member \(quoted(member)) is compressed, where torch.save stores members as they are."
    case .encrypted(let member):
      return "The archive's member \(quoted(member)) is encrypted."
    case .memberOutside(let member):
      return "The archive's member \(quoted(member)) goes past the end of the archive's data."
    case .membersOverlap(let first, let second):
      return "The archive's members \(quoted(first)) and \(quoted(second)) overlap."
    case .memberNameDiffers(let member):
      return "The archive's list places \(quoted(member)) where something else is; the file is damaged."
    case .duplicateMember(let member):
      return "The archive has the member \(quoted(member)) twice."
    case .missingMember(let member):
      return "The archive has no member \(quoted(member)); it was not written by torch.save."
    case .checksum(let member):
      return "The archive's member \(quoted(member)) does not have the checksum that the archive notes; the file is "
        + "damaged."
    case .bigEndian:
      return "The tensors are stored big-endian; only little-endian files can be read."

    case .pickleTooLong(let bytes):
      return "The list of tensors takes \(bytes) bytes, where at most \(Unpickler.longestPickle) are read."
    case .pickleEnds(let offset):
      return "The list of tensors ends too early, at byte \(offset)."
    case .pickleVersion(let version):
      return "The list of tensors is a pickle of protocol \(version), where 2 was expected, which torch.save writes."
    case .pickleOperation(let code, let offset):
      return "The list of tensors holds the pickle instruction 0x\(hexadecimal([code])) at byte \(offset), which no "
        + "list of tensors needs."
    case .pickleStructure(let offset):
      return "The list of tensors makes no sense at byte \(offset); the file is damaged."
    case .forbiddenGlobal(let name):
      return "The file asks for the Python object \(quoted(name)), which is refused: only tensors are read, nothing "
        + "is run."
    case .notTensors(let found):
      return "The file holds \(found), where a tensor or a dictionary of tensors was expected."

    case .storageMissing(let tensor, let member):
      return "The numbers of \(named(tensor, begins: false)) are missing: there is no member \(quoted(member))."
    case .storageTooShort(let tensor, let expected, let found):
      return "\(named(tensor)) reaches over \(counted(expected, "byte")) of its storage, which has \(found)."
    case .duplicateTensor(let tensor):
      return "\(named(tensor)) appears twice."
    case .missingTensor(let tensor):
      return "\(named(tensor)) is missing."
    case .shape(let tensor, let expected, let found):
      return "\(named(tensor)) has the shape \(found), expected \(expected)."
    case .dimensions(let tensor, let expected, let found):
      return "\(named(tensor)) has \(counted(found, "dimension")), expected \(expected)."
    case .type(let tensor, let expected, let found):
      return "\(named(tensor)) is stored as \(found.rawValue), where \(expected) were expected."

    case .strides(let tensor, let shape, let found):
      let rows = CheckpointTensor.contiguousStrides(shape)
      let columns = Array(CheckpointTensor.contiguousStrides(shape.reversed()).reversed())
      return "\(named(tensor)) of shape \(shape) has the strides \(found), expected \(rows)"
        + (columns == rows ? "" : ", or \(columns) where it is transposed")
        + "; torch.save of its contiguous() mends that."

    case .noCheckpoint(let folder):
      return "There are no weights in \(quoted(folder)): neither model.safetensors nor pytorch_model.bin, whole or "
        + "in parts."
    case .missingShard(let path, let index):
      return "A part of the model is missing: there is no file \(quoted(path)), which \(quoted(index)) names."
    case .shardName(let name):
      return "The index names the part \(quoted(name)), where the name of a file in the same folder was expected."
    case .notInShard(let tensor, let shard):
      return "\(named(tensor)) is missing from \(quoted(shard)), where the index places it."
    }
  }
}

extension CheckpointError {
  /// The file, mapped.
  static func mapping(_ path: String) throws(CheckpointError) -> MappedFile {
    do {
      return try MappedFile(path)
    } catch {
      throw .file(error)
    }
  }
}

/// A tensor in a sentence; that of a file that holds no dictionary has no name.
private func named(_ tensor: String, begins: Bool = true) -> String {
  (begins ? "The" : "the") + " tensor" + (tensor.isEmpty ? "" : " " + quoted(tensor))
}

private func counted(_ count: Int, _ noun: String) -> String {
  count == 1 ? "1 \(noun)" : "\(count) \(noun)s"
}

private func hexadecimal(_ bytes: [UInt8]) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
}
