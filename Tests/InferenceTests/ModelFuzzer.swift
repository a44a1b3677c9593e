import PowerInferGGUF
import PowerInferTestKit

/// Makes damaged models of valid tiny ones: metadata, tensors, vocabularies and templates that no converter would write.
struct ModelFuzzer {
  private let seeds: [ModelFile]
  private var random: SeededGenerator

  init(seed: UInt64) throws {
    random = SeededGenerator(seed: seed)
    seeds = try ModelFuzzer.models().map { ModelFile(try GGUFFile(bytes: $0)) }
  }

  mutating func next() -> [UInt8] {
    // The first ones are small and quick; the others have more structure.
    var file = seeds[random.below(random.below(8) == 0 ? seeds.count : 4)]
    // Mostly one wound, for two hide each other.
    for _ in 0..<pick([0, 1, 1, 1, 1, 2, 3, 6]) { damage(&file) }
    var bytes = file.encoded()
    if random.below(12) == 0 {
      for _ in 0...random.below(4) { bytes[random.below(bytes.count)] = random.bytes(1)[0] }
    }
    return bytes
  }

  private mutating func damage(_ file: inout ModelFile) {
    switch random.below(16) {
    case 0, 1, 2: if let index = place(file.pairs) { file.pairs[index].value = anyValue() }
    case 3: file.set(key(pick(ModelFuzzer.optionalKeys), of: file), anyValue())
    case 4, 5: file.set(key(pick(ModelFuzzer.numberKeys), of: file), .uint32(UInt32(random.below(70))))
    case 6: damagePairs(&file)
    case 7, 8, 9: damageTensor(&file)
    case 10: fillTensor(&file)
    case 11, 12, 13: damageVocabulary(&file)
    case 14: file.set(key(pick(ModelFuzzer.optionalKeys), of: file), .string(pick(ModelFuzzer.words)))
    default: file.set("tokenizer.chat_template", .string(template()))
    }
  }

  /// A key of llama as the file's own family calls it.
  private func key(_ key: String, of file: ModelFile) -> String {
    guard key.hasPrefix("llama."), case .string(let family)? = file.value("general.architecture") else { return key }
    return family + key.dropFirst("llama".count)
  }

  private mutating func damagePairs(_ file: inout ModelFile) {
    guard let index = place(file.pairs) else { return }
    switch random.below(4) {
    case 0: file.pairs.remove(at: index)
    case 1: file.pairs.append(file.pairs[index])
    case 2: file.pairs[index].key = pick(ModelFuzzer.words)
    default: file.pairs[index].key = file.pairs[random.below(file.pairs.count)].key
    }
  }

  private mutating func damageTensor(_ file: inout ModelFile) {
    guard let index = place(file.tensors) else { return }
    var tensor = file.tensors[index]
    switch random.below(10) {
    case 0:
      file.tensors.remove(at: index)
      return
    case 1:
      file.tensors.append(tensor)
      return
    case 2: tensor.name = file.tensors[random.below(file.tensors.count)].name
    case 3: tensor.name = pick(ModelFuzzer.tensorNames)
    case 4: tensor.type = pick(ModelFuzzer.types)
    case 5: tensor.shape.reverse()
    case 6: tensor.shape.append(pick([0, 1, 1, 2, 1 << 40, .max]))
    case 7: if let axis = place(tensor.shape) { tensor.shape[axis] = pick(ModelFuzzer.extremes) }
    case 8: if let axis = place(tensor.shape) { tensor.shape[axis] = UInt64(random.below(80)) }
    default:
      // Another shape or type, with data to match.
      if let axis = place(tensor.shape) { tensor.shape[axis] = UInt64(random.below(80)) }
      if random.below(2) == 0 { tensor.type = pick(ModelFuzzer.types) }
      let elements = tensor.shape.reduce(1, &*)
      if elements < 1 << 16, let type = TensorType(rawValue: tensor.type) {
        tensor.bytes = random.bytes(type.byteCount(elements: Int(elements)) ?? 0)
      }
    }
    file.tensors[index] = tensor
  }

  /// Weights that are no numbers, infinite, or random bits.
  private mutating func fillTensor(_ file: inout ModelFile) {
    guard let index = place(file.tensors) else { return }
    let count = file.tensors[index].bytes.count
    switch random.below(4) {
    case 0: file.tensors[index].bytes = random.bytes(count)
    case 1: file.tensors[index].bytes = [UInt8](repeating: pick([0, 0xFF, 0x7F, 0x80, 0x7C]), count: count)
    case 2: file.tensors[index].bytes = (0..<count).map { [0, 0, 0x80, 0x7F][$0 % 4] }
    default:
      for _ in 0...random.below(8) where count > 0 {
        file.tensors[index].bytes[random.below(count)] = pick([0xFF, 0x7C])
      }
    }
  }

  // MARK: Vocabularies

  private mutating func damageVocabulary(_ file: inout ModelFile) {
    let prefix = "tokenizer.ggml."
    switch random.below(8) {
    case 0, 1: file.set(prefix + "tokens", .array(MetadataArray(stringBytes: tokens(file))))
    case 2: file.set(prefix + "merges", .array(merges()))
    case 3:
      let count = random.below(40)
      let values = (0..<count).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: random.next())) }
      file.set(prefix + "scores", .array(MetadataArray(values)))
    case 4:
      let count = (file.value(prefix + "tokens")?.array?.count ?? 0) + random.below(3) - 1
      let values = (0..<max(0, count)).map { _ in Int32(random.below(9) - 1) }
      file.set(prefix + "token_type", .array(MetadataArray(values)))
    case 5: file.set(prefix + pick(ModelFuzzer.specials) + "_token_id", anyNumber())
    case 6: file.set(prefix + "model", .string(pick(["llama", "gpt2", "bert", "", "GPT2"])))
    default: file.set(prefix + "pre", .string(pick(ModelFuzzer.preTokenizers)))
    }
  }

  private mutating func tokens(_ file: ModelFile) -> [[UInt8]] {
    var tokens = file.value("tokenizer.ggml.tokens")?.array?.stringBytes ?? []
    for _ in 0...random.below(6) {
      guard let index = place(tokens) else { break }
      switch random.below(8) {
      case 0: tokens[index] = []
      case 1: tokens[index] = tokens[random.below(tokens.count)]
      case 2: tokens[index] = random.bytes(random.below(9))
      case 3: tokens[index] = Array(pick(ModelFuzzer.words).utf8)
      case 4: tokens[index] = [0xC3]
      case 5: tokens[index] += [0xE2, 0x96, 0x81, 0x61]
      case 6: tokens.remove(at: index)
      default: tokens.append([0xF0, 0x9F])
      }
    }
    if random.below(30) == 0 { tokens = tokens.map { _ in [0x61] } }
    return tokens
  }

  private mutating func merges() -> MetadataArray {
    if random.below(10) == 0 { return MetadataArray([Int32(1), 2]) }
    return MetadataArray((0..<random.below(12)).map { _ in pick(ModelFuzzer.mergeLines) })
  }

  private mutating func template() -> String {
    (0...random.below(6)).map { _ in pick(ModelFuzzer.templateParts) }.joined()
  }

  // MARK: Values

  private mutating func anyValue() -> MetadataValue {
    switch random.below(8) {
    case 0: .string(pick(ModelFuzzer.words))
    case 1: .bool(random.below(2) == 0)
    case 2: .array(MetadataArray([UInt32(random.below(9)), 2, .max]))
    case 3: .array(MetadataArray([pick(ModelFuzzer.words), ""]))
    case 4: .array(MetadataArray([Float.nan, 1, -1]))
    default: anyNumber()
    }
  }

  private mutating func anyNumber() -> MetadataValue {
    let number = pick(ModelFuzzer.extremes)
    switch random.below(10) {
    case 0: return .uint64(number)
    case 1: return .int64(Int64(bitPattern: number))
    case 2: return .int32(Int32(truncatingIfNeeded: number))
    case 3: return .uint16(UInt16(truncatingIfNeeded: number))
    case 4: return .int8(Int8(truncatingIfNeeded: number))
    case 5, 6: return .float32(pick(ModelFuzzer.floats))
    case 7: return .float64(pick([1e300, -1e300, .leastNonzeroMagnitude, .nan, .infinity, 0.5]))
    default: return .uint32(UInt32(truncatingIfNeeded: number))
    }
  }

  private mutating func pick<Element>(_ elements: [Element]) -> Element { elements[random.below(elements.count)] }

  private mutating func place<Element>(_ elements: [Element]) -> Int? {
    elements.isEmpty ? nil : random.below(elements.count)
  }
}
