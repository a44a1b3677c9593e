import PowerInferPlatform

/// A file of the safetensors format: a header in JSON that says of each tensor its type, shape and place, then the numbers.
///
/// The file is mapped. Its header is checked against itself and the file before a tensor is handed out: every range lies
/// inside the data and has exactly the bytes that shape and type take, none overlap, and none are left over.
public struct SafetensorsFile: Sendable {
  /// In the order of their places.
  public let tensors: [CheckpointTensor]

  /// The format's own limit.
  static let longestHeader = 100_000_000

  /// Opens a file.
  ///
  /// - Throws: ``CheckpointError``, naming the file.
  public init(opening path: String) throws(CheckpointError) {
    let file = try CheckpointError.mapping(path)
    do {
      try self.init(file)
    } catch {
      throw .inFile(path: path, reason: error)
    }
  }

  /// What the header says of one tensor, or of the file.
  private enum Entry: Decodable {
    case tensor(type: String, shape: [Int], range: [Int])
    case metadata

    private enum Key: String, CodingKey {
      case type = "dtype"
      case shape
      case range = "data_offsets"
    }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Key.self)
      guard container.contains(.type) || container.contains(.shape) else {
        self = .metadata
        return
      }
      self = .tensor(
        type: try container.decode(String.self, forKey: .type), shape: try container.decode([Int].self, forKey: .shape),
        range: try container.decode([Int].self, forKey: .range))
    }
  }

  init(_ file: MappedFile) throws(CheckpointError) {
    let bytes = file.bytes
    guard !bytes.isEmpty else { throw .empty }
    guard bytes.count >= 8 else { throw .shorterThanLength(bytes: bytes.count) }
    let announced = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard announced <= bytes.count - 8 else {
      throw announced > SafetensorsFile.longestHeader
        ? .headerTooLong(bytes: announced) : .headerPastEnd(bytes: announced, available: bytes.count - 8)
    }
    guard announced <= SafetensorsFile.longestHeader else { throw .headerTooLong(bytes: announced) }
    let start = 8 + Int(announced)
    let header = try ExactJSON.decode(
      [String: Entry].self, from: UnsafeRawBufferPointer(rebasing: bytes[8..<start]), named: "The header")
    let data = UnsafeRawBufferPointer(rebasing: bytes[start...])

    var placed: [(range: Range<Int>, tensor: CheckpointTensor)] = []
    placed.reserveCapacity(header.count)
    for (key, entry) in header {
      let name = ExactJSON.restored(key)
      guard case .tensor(let typeName, let shape, let ends) = entry else {
        guard name == "__metadata__" else { throw .notJSON("What the header says of the tensor \(quoted(name))") }
        continue
      }
      guard let type = ElementType(rawValue: typeName) else {
        throw .unknownType(tensor: name, type: ExactJSON.restored(typeName))
      }
      guard let count = CheckpointTensor.count(shape), count <= Int.max / 8 else { throw .badShape(tensor: name) }
      guard ends.count == 2 else { throw .notJSON("The place of the tensor \(quoted(name))") }
      guard 0 <= ends[0], ends[0] <= ends[1], ends[1] <= data.count else {
        throw .badRange(tensor: name, from: ends[0], to: ends[1], available: data.count)
      }
      let expected = count * type.byteCount
      guard ends[1] - ends[0] == expected else {
        throw .wrongByteCount(tensor: name, expected: expected, found: ends[1] - ends[0])
      }
      let place = ends[0]..<ends[1]
      placed.append(
        (
          place,
          CheckpointTensor(
            name: name, type: type, shape: shape, bytes: UnsafeRawBufferPointer(rebasing: data[place]), file: file)
        ))
    }
    // Names decide between tensors of no elements, so that the order is always the same.
    placed.sort {
      ($0.range.lowerBound, $0.range.upperBound, $0.tensor.name) < (
        $1.range.lowerBound, $1.range.upperBound, $1.tensor.name
      )
    }
    var end = 0
    var last = ""
    for (range, tensor) in placed {
      guard range.lowerBound >= end else { throw .overlap(first: last, second: tensor.name) }
      guard range.lowerBound == end else { throw .unclaimed(bytes: range.lowerBound - end, at: end) }
      (end, last) = (range.upperBound, tensor.name)
    }
    guard end == data.count else { throw .unclaimed(bytes: data.count - end, at: end) }
    tensors = placed.map(\.tensor)
  }
}
