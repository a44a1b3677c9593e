import Foundation
import PowerInferTestKit

@testable import PowerInferCheckpoint

/// A tiny random model as Hugging Face's library saves it, made from its description in `Golden/conversion.json`
/// (`Scripts/golden_conversion.py`, which draws the same weights).
struct TinyCheckpoint: Decodable {
  var number: Int
  var tokenizer: String
  var type: ElementType
  var layout: String
  /// `config.json`.
  var config: String
  /// Shapes by name.
  var tensors: [String: [Int]]
  /// Shapes by "LAYER.NAME".
  var predictors: [String: [Int]]?
  var threshold: Double?
  var tokens: [Int32]
  /// The library's, of the last token.
  var logits: [Double]?
  /// What the original PowerInfer's converter makes.
  var original: [String: OriginalTensor]?

  struct OriginalTensor: Decodable {
    var type: String
    var shape: [Int]
    var sha256: String
  }

  static func all() throws -> [String: TinyCheckpoint] {
    try Golden.json([String: TinyCheckpoint].self, "conversion.json", in: .module)
  }

  static func named(_ name: String) throws -> TinyCheckpoint {
    guard let found = try all()[name] else { throw GoldenError.missing(name: name) }
    return found
  }

  /// Writes the folder `model`, and `predictors` where the model has some, and returns the first's path.
  ///
  /// - Parameter strides: of matrices in PyTorch's files.
  @discardableResult
  func write(to folder: TemporaryFolder, strides: StoredTensor.Strides = .rows) throws -> String {
    let path = folder.file("model")
    let resources = Bundle.module.resourceURL?.appendingPathComponent("Golden/Tokenizers/\(tokenizer)").path ?? ""
    try FileManager.default.copyItem(atPath: resources, toPath: path)
    try folder.write("model/config.json", config)
    let values = Self.values(tensors, number: number, type: type)
    let names = tensors.keys.sorted()
    // In two parts where there are parts.
    let cut = layout.hasSuffix("parts") ? names.count / 2 : names.count
    let isTorch = layout.hasPrefix("torch")
    let (stem, ending) = isTorch ? ("pytorch_model", "bin") : ("model", "safetensors")
    var map: [String: String] = [:]
    for (index, part) in [Array(names[..<cut]), Array(names[cut...])].enumerated() where !part.isEmpty {
      let name = cut < names.count ? "\(stem)-0000\(index + 1)-of-00002.\(ending)" : "\(stem).\(ending)"
      for tensor in part { map[tensor] = name }
      let content = part.map { StoredTensor(name: $0, type: type, shape: tensors[$0] ?? [], bytes: values[$0] ?? []) }
      try folder.write(
        "model/" + name,
        isTorch ? StoredTensor.torch(content, strides: strides) : StoredTensor.safetensors(content))
    }
    if cut < names.count {
      let entries = map.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\"\($0.value)\"" }
      try folder.write("model/\(stem).\(ending).index.json", "{\"weight_map\":{\(entries.joined(separator: ","))}}")
    }
    if let predictors {
      try FileManager.default.createDirectory(atPath: folder.file("predictors"), withIntermediateDirectories: true)
      let values = Self.values(predictors, number: number + 500, type: .f16)
      for layer in 0..<predictors.count / 2 {
        let content = ["fc1.weight", "fc2.weight"].map { name in
          let key = "\(layer).\(name)"
          return StoredTensor(name: name, type: .f16, shape: predictors[key] ?? [], bytes: values[key] ?? [])
        }
        try folder.write("predictors/model_\(layer).pt", StoredTensor.torch(content, strides: strides))
      }
      if let threshold { try folder.write("predictors/config.json", "{\"sparse_threshold\": \(threshold)}") }
    }
    return path
  }

  private static func values(_ shapes: [String: [Int]], number: Int, type: ElementType) -> [String: [UInt8]] {
    var result: [String: [UInt8]] = [:]
    for (index, name) in shapes.keys.sorted().enumerated() {
      let shape = shapes[name] ?? []
      var random = SeededGenerator(seed: UInt64(1000 * number + index))
      let isGain = (name.contains("norm") || name.contains("ln_")) && name.hasSuffix("weight")
      var bytes: [UInt8] = []
      for _ in 0..<shape.reduce(1, *) {
        var value = random.float()
        if shape.count > 1 {
          value *= (3 / Float(shape.last ?? 1)).squareRoot()
        } else {
          value *= 0.1
          if isGain { value += 1 }
        }
        switch type {
        case .f16: bytes += littleEndian(HalfPrecision.bits(value))
        case .bf16:
          let bits = value.bitPattern
          bytes += littleEndian(UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16))
        default: bytes += littleEndian(value.bitPattern)
        }
      }
      result[name] = bytes
    }
    return result
  }
}

/// A tensor as bytes, and files of such.
struct StoredTensor {
  var name: String
  var type: ElementType
  var shape: [Int]
  var bytes: [UInt8]

  static func safetensors(_ tensors: [StoredTensor]) -> [UInt8] {
    var end = 0
    let entries = tensors.map { tensor in
      let start = end
      end += tensor.bytes.count
      return "\"\(tensor.name)\":{\"dtype\":\"\(tensor.type.rawValue)\",\"shape\":\(tensor.shape),"
        + "\"data_offsets\":[\(start),\(end)]}"
    }
    // Of odd length, so that numbers lie where no kernel expects them.
    var header = Array("{\(entries.joined(separator: ","))}".utf8)
    if header.count % 2 == 0 { header.append(0x20) }
    return littleEndian(UInt64(header.count)) + header + tensors.flatMap(\.bytes)
  }

  /// How the numbers of a matrix are saved.
  enum Strides {
    /// Row by row, or, as `t()` leaves them, column by column.
    case rows, columns
    /// Row by row with a number between two rows; the same row again and again; rows that overlap.
    case gaps, expanded, overlapping

    func of(_ shape: [Int]) -> [Int] {
      guard shape.count == 2 else { return CheckpointTensor.contiguousStrides(shape) }
      return switch self {
      case .rows: [shape[1], 1]
      case .columns: [1, shape[0]]
      case .gaps: [shape[1] + 1, 1]
      case .expanded: [0, 1]
      case .overlapping: [1, 1]
      }
    }
  }

  /// The numbers where the strides look for them.
  private func content(_ strides: Strides) -> [UInt8] {
    guard shape.count == 2, strides != .rows else { return bytes }
    let (size, steps) = (type.byteCount, strides.of(shape))
    var result = [UInt8](repeating: 0, count: bytes.count + shape[0] * size)
    for row in 0..<shape[0] {
      for column in 0..<shape[1] {
        let (from, to) = ((row * shape[1] + column) * size, (row * steps[0] + column * steps[1]) * size)
        result[to..<(to + size)] = bytes[from..<(from + size)]
      }
    }
    return result
  }

  static func torch(_ tensors: [StoredTensor], strides: Strides = .rows) -> [UInt8] {
    var pickle: [UInt8] = [0x80, 2] + Array("}(".utf8)
    func text(_ text: String) { pickle += Array("X".utf8) + littleEndian(UInt32(text.utf8.count)) + Array(text.utf8) }
    func tuple(_ numbers: [Int]) {
      pickle += Array("(".utf8) + numbers.flatMap { Array("J".utf8) + littleEndian(Int32($0)) } + Array("t".utf8)
    }
    let classes: [ElementType: String] = [
      .f16: "HalfStorage", .bf16: "BFloat16Storage", .f32: "FloatStorage", .i64: "LongStorage",
    ]
    for (index, tensor) in tensors.enumerated() {
      text(tensor.name)
      pickle += Array("ctorch._utils\n_rebuild_tensor_v2\n((".utf8)
      text("storage")
      pickle += Array("ctorch\n\(classes[tensor.type] ?? "")\n".utf8)
      text("\(index)")
      text("cpu")
      pickle += Array("J".utf8) + littleEndian(Int32(tensor.shape.reduce(1, *))) + Array("tQK\0".utf8)
      tuple(tensor.shape)
      tuple(strides.of(tensor.shape))
      pickle += [0x89] + Array("ccollections\nOrderedDict\n)RtR".utf8)
    }
    var archive = ZipWriter()
    archive.append("m/data.pkl", pickle + Array("u.".utf8))
    for (index, tensor) in tensors.enumerated() { archive.append("m/data/\(index)", tensor.content(strides)) }
    return archive.finished()
  }
}
