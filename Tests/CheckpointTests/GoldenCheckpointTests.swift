import Foundation
import PowerInferCheckpoint
import PowerInferTestKit
import Testing

/// Checkpoints that PyTorch and safetensors wrote (`Scripts/golden_checkpoints.py`).
@Suite struct GoldenCheckpointTests {
  struct Expected: Decodable {
    var shape: [Int]
    var values: [Double]
  }

  @Test(arguments: ["state.pt", "state.safetensors"]) func everyNumberIsRead(name: String) throws {
    let expected = try Golden.json([String: Expected].self, "state.json", in: .module)
    let tensors = try open(name)
    #expect(Set(tensors.map(\.name)) == Set(expected.keys))
    #expect(tensors.count == expected.count)
    for tensor in tensors {
      let wanted = try #require(expected[tensor.name])
      #expect(tensor.shape == wanted.shape)
      #expect(tensor.values == wanted.values, "\(tensor.name)")
      #expect(tensor.count == wanted.values.count)
    }
  }

  @Test func viewsKeepTheirStrides() throws {
    let tensors = Dictionary(uniqueKeysWithValues: try open("state.pt").map { ($0.name, $0) })
    #expect(tensors["view.transposed"]?.strides == [1, 6])
    #expect(tensors["view.transposed"]?.isContiguous == false)
    #expect(tensors["view.rows"]?.isContiguous == true)
    #expect(tensors["view.columns"]?.strides == [6, 1])
    #expect(tensors["view.columns"]?.isContiguous == false)
    #expect(tensors["scalar"]?.shape == [])
    #expect(tensors["empty"]?.bytes.count == 0)
  }

  @Test func aModuleIsADictionary() throws {
    let tensors = try open("module.pt")
    #expect(tensors.map(\.name) == ["weight"])
    #expect(tensors.first?.shape == [2, 3])
  }

  @Test func aTensorAloneIsRead() throws {
    let tensors = try open("counts.pt")
    #expect(tensors.map(\.name) == [""])
    #expect(try tensors.first?.numbers() == (0..<10).map { Double($0 * $0 * $0) })
  }

  @Test(arguments: [
    (
      "malicious.pt",
      "The file asks for the Python object \"posix.system\", which is refused: only tensors are read, nothing is run."
    ),
    (
      "legacy.pt",
      "The file is of the format that torch.save wrote before PyTorch 1.6; torch.load and torch.save of a newer "
        + "version rewrite it."
    ),
    ("list.pt", "The file holds a list in its dictionary, where a tensor or a dictionary of tensors was expected."),
    (
      "state.safetensors",
      "This is not a PyTorch file: it starts with the bytes 28 03 00 00, where 50 4b 03 04 (ZIP) was expected."
    ),
  ]) func othersAreRefused(name: String, sentence: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(name, [UInt8](Golden.data(name, in: .module)))
    let error = #expect(throws: CheckpointError.self) { try TorchFile(opening: path) }
    #expect(error?.description == "\"\(path)\": \(sentence)")
  }

  private func open(_ name: String) throws -> [CheckpointTensor] {
    let folder = try TemporaryFolder()
    let path = try folder.write(name, [UInt8](Golden.data(name, in: .module)))
    return try name.hasSuffix(".pt") ? TorchFile(opening: path).tensors : SafetensorsFile(opening: path).tensors
  }
}

extension CheckpointTensor {
  /// All numbers in the order of the shape, read one by one.
  var values: [Double] {
    var result: [Double] = []
    func walk(_ dimension: Int, _ offset: Int) {
      guard dimension < shape.count else {
        result.append(value(at: offset * type.byteCount))
        return
      }
      for index in 0..<shape[dimension] { walk(dimension + 1, offset + index * strides[dimension]) }
    }
    walk(0, 0)
    return result
  }

  private func value(at offset: Int) -> Double {
    func load<Number>(_ type: Number.Type) -> Number { bytes.loadUnaligned(fromByteOffset: offset, as: type) }
    switch type {
    case .f64: return load(Double.self)
    case .f32: return Double(load(Float.self))
    case .f16: return Double(HalfPrecision.float(load(UInt16.self)))
    case .bf16: return Double(Float(bitPattern: UInt32(load(UInt16.self)) << 16))
    case .i64: return Double(load(Int64.self))
    case .i32: return Double(load(Int32.self))
    case .i16: return Double(load(Int16.self))
    case .i8: return Double(load(Int8.self))
    case .u8, .bool: return Double(load(UInt8.self))
    }
  }
}
