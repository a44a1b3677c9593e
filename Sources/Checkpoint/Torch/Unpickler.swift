/// Reads the pickle of a file of tensors, and nothing else: no object is made but tensors and containers, no code is run.
///
/// The instructions are those of protocol 2 that `torch.save` writes (PEP 307); the Python objects are those of
/// ``PickleGlobal``. Every instruction takes at least a byte and makes at most one value, so that the length of the pickle
/// bounds time and memory.
struct Unpickler {
  /// More than any model's list of tensors takes, of which each has about 200 bytes.
  static let longestPickle = 16 << 20

  private(set) var sequences: [[PickleValue]] = []
  private(set) var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []
  private(set) var storages: [PickleStorage] = []
  private(set) var tensors: [PickleTensor] = []

  private let bytes: UnsafeRawBufferPointer
  private var position = 0
  /// Where the instruction under way begins.
  private var current = 0
  private var stack: [PickleValue] = []
  /// Heights of the stack.
  private var marks: [Int] = []
  private var memo: [UInt32: PickleValue] = [:]

  init(_ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
    guard bytes.count <= Unpickler.longestPickle else { throw .pickleTooLong(bytes: bytes.count) }
    self.bytes = bytes
  }

  /// Follows all instructions.
  ///
  /// - Returns: what the pickle is of.
  mutating func run() throws(CheckpointError) -> PickleValue {
    while true {
      current = position
      let code = try number(UInt8.self)
      if code == UInt8(ascii: ".") {
        guard stack.count == 1, marks.isEmpty else { throw senseless }
        return stack[0]
      }
      try perform(code)
    }
  }

  private mutating func perform(_ code: UInt8) throws(CheckpointError) {
    switch code {
    case 0x80:
      let version = try number(UInt8.self)
      guard version == 2 else { throw .pickleVersion(Int(version)) }
    case UInt8(ascii: "("): marks.append(stack.count)
    // Constants.
    case UInt8(ascii: "N"): stack.append(.none)
    case 0x88: stack.append(.bool(true))
    case 0x89: stack.append(.bool(false))
    case UInt8(ascii: "J"): stack.append(.integer(Int(try number(Int32.self))))
    case UInt8(ascii: "K"): stack.append(.integer(Int(try number(UInt8.self))))
    case UInt8(ascii: "M"): stack.append(.integer(Int(try number(UInt16.self))))
    case 0x8A: stack.append(.integer(try longInteger()))
    case UInt8(ascii: "G"):
      stack.append(.real(Double(bitPattern: UInt64(bigEndian: UInt64(littleEndian: try number(UInt64.self))))))
    case UInt8(ascii: "X"):
      let length = try number(UInt32.self)
      stack.append(.string(try text(length)))
    // Containers.
    case UInt8(ascii: ")"): try appendTuple([])
    case UInt8(ascii: "t"): try appendTuple(poppedToMark())
    case 0x85: try appendTuple(popped(1))
    case 0x86: try appendTuple(popped(2))
    case 0x87: try appendTuple(popped(3))
    case UInt8(ascii: "]"):
      sequences.append([])
      stack.append(.list(sequences.count - 1))
    case UInt8(ascii: "a"): try appendToList(popped(1))
    case UInt8(ascii: "e"): try appendToList(poppedToMark())
    case UInt8(ascii: "}"): appendDictionary()
    case UInt8(ascii: "s"): try insertIntoDictionary(popped(2))
    case UInt8(ascii: "u"): try insertIntoDictionary(poppedToMark())
    // Memory.
    case UInt8(ascii: "q"): memo[UInt32(try number(UInt8.self))] = try top()
    case UInt8(ascii: "r"): memo[try number(UInt32.self)] = try top()
    case UInt8(ascii: "h"): try recall(UInt32(try number(UInt8.self)))
    case UInt8(ascii: "j"): try recall(try number(UInt32.self))
    // Objects.
    case UInt8(ascii: "c"):
      let (module, name) = (try line(), try line())
      guard let global = PickleGlobal(module: module, name: name) else { throw .forbiddenGlobal(module + "." + name) }
      stack.append(.global(global))
    case UInt8(ascii: "Q"): try appendStorage(popped(1)[0])
    case UInt8(ascii: "R"):
      let call = try popped(2)
      stack.append(try reduce(call[0], call[1]))
    case UInt8(ascii: "b"):
      // What is set on a dictionary of tensors besides its content says which version of a module wrote it.
      let state = try popped(1)[0]
      guard case .dictionary = state, case .dictionary = try top() else { throw senseless }
    default: throw .pickleOperation(code, at: current)
    }
  }

  // MARK: Objects

  /// ("storage", class, key, device, count)
  private mutating func appendStorage(_ id: PickleValue) throws(CheckpointError) {
    guard case .tuple(let index) = id else { throw senseless }
    let parts = sequences[index]
    guard parts.count == 5, parts[0] == .string("storage"), case .global(.storage(let type)) = parts[1],
      case .string(let key) = parts[2], case .string = parts[3], case .integer(let count) = parts[4], count >= 0
    else { throw senseless }
    storages.append(PickleStorage(type: type, key: key, count: count))
    stack.append(.storage(storages.count - 1))
  }

  /// What a function that is known makes of its arguments.
  private mutating func reduce(_ function: PickleValue, _ arguments: PickleValue) throws(CheckpointError) -> PickleValue
  {
    guard case .global(let function) = function, case .tuple(let index) = arguments else { throw senseless }
    let parts = sequences[index]
    switch function {
    case .orderedDictionary:
      guard parts.isEmpty else { throw senseless }
      dictionaries.append([])
      return .dictionary(dictionaries.count - 1)
    case .rebuildTensor:
      // (storage, offset, shape, strides, needs gradient, hooks, …)
      guard (6...7).contains(parts.count), case .storage(let storage) = parts[0], case .integer(let offset) = parts[1],
        let shape = integers(parts[2]), let strides = integers(parts[3]), shape.count == strides.count
      else { throw senseless }
      tensors.append(PickleTensor(storage: storages[storage], offset: offset, shape: shape, strides: strides))
      return .tensor(tensors.count - 1)
    case .rebuildParameter:
      // (tensor, needs gradient, hooks)
      guard parts.count == 3, case .tensor = parts[0] else { throw senseless }
      return parts[0]
    case .rebuildFromType:
      // (function, class, arguments, state)
      guard parts.count == 4, parts[0] == .global(.rebuildTensor), parts[1] == .global(.tensorClass) else {
        throw senseless
      }
      return try reduce(parts[0], parts[2])
    case .size:
      guard parts.count == 1, case .tuple = parts[0] else { throw senseless }
      return parts[0]
    case .tensorClass, .storage: throw senseless
    }
  }

  private func integers(_ value: PickleValue) -> [Int]? {
    guard case .tuple(let index) = value, sequences[index].count <= Unpickler.mostDimensions else { return nil }
    var result: [Int] = []
    for case .integer(let number) in sequences[index] { result.append(number) }
    return result.count == sequences[index].count ? result : nil
  }

  /// PyTorch's own limit.
  private static let mostDimensions = 64

  // MARK: Containers

  private mutating func appendTuple(_ parts: [PickleValue]) throws(CheckpointError) {
    sequences.append(parts)
    stack.append(.tuple(sequences.count - 1))
  }

  private mutating func appendDictionary() {
    dictionaries.append([])
    stack.append(.dictionary(dictionaries.count - 1))
  }

  private mutating func appendToList(_ parts: [PickleValue]) throws(CheckpointError) {
    guard case .list(let index) = try top() else { throw senseless }
    sequences[index] += parts
  }

  private mutating func insertIntoDictionary(_ parts: [PickleValue]) throws(CheckpointError) {
    guard case .dictionary(let index) = try top(), parts.count % 2 == 0 else { throw senseless }
    for start in stride(from: 0, to: parts.count, by: 2) {
      dictionaries[index].append((parts[start], parts[start + 1]))
    }
  }

  // MARK: Stack and memory

  /// The height that the part of the stack after the last mark begins at.
  private var floor: Int { marks.last ?? 0 }

  private func top() throws(CheckpointError) -> PickleValue {
    guard stack.count > floor, let value = stack.last else { throw senseless }
    return value
  }

  private mutating func popped(_ count: Int) throws(CheckpointError) -> [PickleValue] {
    guard stack.count - floor >= count else { throw senseless }
    let values = Array(stack.suffix(count))
    stack.removeLast(count)
    return values
  }

  private mutating func poppedToMark() throws(CheckpointError) -> [PickleValue] {
    guard let mark = marks.popLast() else { throw senseless }
    let values = Array(stack[mark...])
    stack.removeSubrange(mark...)
    return values
  }

  private mutating func recall(_ index: UInt32) throws(CheckpointError) {
    guard let value = memo[index] else { throw senseless }
    stack.append(value)
  }

  private var senseless: CheckpointError { .pickleStructure(at: current) }

  // MARK: Bytes

  private mutating func take(_ count: Int) throws(CheckpointError) -> UnsafeRawBufferPointer {
    guard count <= bytes.count - position else { throw .pickleEnds(at: bytes.count) }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)])
  }

  private mutating func number<Number: FixedWidthInteger>(_: Number.Type) throws(CheckpointError) -> Number {
    try take(MemoryLayout<Number>.size).number(Number.self, at: 0)
  }

  /// A length of one byte, and so many bytes of a number in two's complement.
  private mutating func longInteger() throws(CheckpointError) -> Int {
    let digits = try take(Int(try number(UInt8.self)))
    guard digits.count <= 8 else { throw senseless }
    var value: Int = (digits.last ?? 0) >= 0x80 ? -1 : 0
    for byte in digits.reversed() { value = value << 8 | Int(byte) }
    return value
  }

  private mutating func text(_ length: UInt32) throws(CheckpointError) -> String {
    guard let text = String(validating: try take(Int(length)), as: UTF8.self) else { throw senseless }
    return text
  }

  /// Up to the next line feed.
  private mutating func line() throws(CheckpointError) -> String {
    guard let end = bytes[position...].firstIndex(of: 0x0A) else { throw .pickleEnds(at: bytes.count) }
    guard let text = String(validating: bytes[position..<end], as: UTF8.self) else { throw senseless }
    position = end + 1
    return text
  }
}
