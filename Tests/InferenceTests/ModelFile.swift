import PowerInferGGUF

/// A model file in pieces that can be damaged one by one and put together again, right or wrong.
///
/// Written without the package's writer, which would refuse most of it.
struct ModelFile {
  struct Pair {
    var key: String
    var value: MetadataValue
  }

  struct Entry {
    var name: String
    var shape: [UInt64]
    var type: UInt32
    var bytes: [UInt8]
  }

  var magic: Magic
  var pairs: [Pair]
  var tensors: [Entry]

  init(_ file: GGUFFile) {
    magic = file.magic
    pairs = file.metadata.map { Pair(key: $0.key, value: $0.value) }
    tensors = file.tensors.map {
      Entry(name: $0.name, shape: $0.shape.map { UInt64($0) }, type: $0.type.rawValue, bytes: Array($0.bytes))
    }
  }

  func value(_ key: String) -> MetadataValue? { pairs.first { $0.key == key }?.value }

  /// Gives the key a value, in its place or at the end.
  mutating func set(_ key: String, _ value: MetadataValue) {
    if let index = pairs.firstIndex(where: { $0.key == key }) {
      pairs[index].value = value
    } else {
      pairs.append(Pair(key: key, value: value))
    }
  }

  /// The file; data lie where the shapes' true sizes do not matter, so that a wrong shape reaches beyond or overlaps.
  func encoded() -> [UInt8] {
    var result = magic.bytes
    result.number(UInt32(3))
    result.number(UInt64(tensors.count))
    result.number(UInt64(pairs.count))
    for pair in pairs {
      result.text(pair.key)
      pair.value.encode(into: &result)
    }
    var offset = 0
    for tensor in tensors {
      result.text(tensor.name)
      result.number(UInt32(tensor.shape.count))
      for dimension in tensor.shape { result.number(dimension) }
      result.number(tensor.type)
      result.number(UInt64(offset))
      offset += (tensor.bytes.count + 31) / 32 * 32
    }
    result.pad()
    for tensor in tensors {
      result += tensor.bytes
      result.pad()
    }
    return result
  }
}

extension [UInt8] {
  fileprivate mutating func number<Number: FixedWidthInteger>(_ value: Number) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  fileprivate mutating func text(_ text: String) {
    number(UInt64(text.utf8.count))
    append(contentsOf: text.utf8)
  }

  fileprivate mutating func pad() {
    append(contentsOf: repeatElement(0, count: (32 - count % 32) % 32))
  }
}
