import PowerInferGGUF
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Testing

@Suite struct LeadingBitMarginsTests {
  private let shape = FeedForwardShape(layers: 2, neurons: 96)

  private func margins() throws -> LeadingBitMargins {
    try LeadingBitMargins(margins: [0.5, 1.25], loss: 0.001, tokens: 77, text: "a.txt")
  }

  @Test func theKeysAreThoseOfTheDocumentation() throws {
    let folder = try TemporaryFolder()
    let model = try LanguageModel(opening: TinyModel().write(to: folder.file("m.gguf")))
    #expect(LeadingBitMargins.sidecarPath(for: model) == folder.file("m.margins.gguf"))
    try margins().writeSidecar(folder.file("m.margins.gguf"), for: model)
    let metadata = try GGUFFile(opening: folder.file("m.margins.gguf")).metadata
    #expect(metadata["general.type"] == .string("bit-margins"))
    #expect(metadata["powerinfer.bits.version"] == .uint32(1) && metadata["powerinfer.bits.tokens"] == .uint64(77))
    #expect(metadata["powerinfer.bits.loss"] == .float32(0.001))
    #expect(metadata["powerinfer.bits.margin"] == .array(MetadataArray([Float(0.5), 1.25])))
    #expect(try LeadingBitMargins.find(for: model) == margins())
    #expect(
      throws: NeuronRecordError.inFile(
        path: folder.file("m.margins.gguf"), reason: .otherKind(expected: .thresholds, found: "bit-margins"))
    ) { try GateThresholds(sidecar: folder.file("m.margins.gguf"), for: model) }
  }

  @Test func refusesWhatIsOutOfRange() throws {
    func complaint(_ margins: [Float] = [1], loss: Float = 0.1, tokens: Int = 1) -> String? {
      do throws(NeuronRecordError) {
        _ = try LeadingBitMargins(margins: margins, loss: loss, tokens: tokens, text: "")
        return nil
      } catch { return "\(error)" }
    }
    #expect(complaint() == nil)
    #expect(complaint([1, -0.5]) == "The margin of layer 1 is -0.5, expected a number of 0 or more.")
    #expect(complaint([.nan]) == "The margin of layer 0 is nan, expected a number of 0 or more.")
    #expect(complaint([.infinity]) == "The margin of layer 0 is inf, expected a number of 0 or more.")
    #expect(complaint(loss: 0) == "The loss is 0.0, expected a share above 0 and less than 1.")
    #expect(complaint(loss: .nan) == "The loss is nan, expected a share above 0 and less than 1.")
    #expect(complaint(tokens: 0) == "The number of tokens counted is 0, expected at least 1.")
    #expect(throws: NeuronRecordError.marginLayers(expected: 3, found: 2)) {
      try margins().check(FeedForwardShape(layers: 3, neurons: 96))
    }
    #expect(
      "\(NeuronRecordError.marginLayers(expected: 3, found: 2))"
        == "There are margins of leading bits for 2 layers, but the model has 3.")
    var metadata = Metadata()
    try margins().write(to: &metadata)
    metadata.remove("powerinfer.bits.loss")
    #expect(throws: NeuronRecordError.container(.missingKey("powerinfer.bits.loss"))) {
      try LeadingBitMargins(metadata: metadata, shape: shape)
    }
    metadata.set("powerinfer.bits.loss", .float32(0.1))
    metadata.set("powerinfer.bits.margin", .array(MetadataArray([Float(1)])))
    #expect(throws: NeuronRecordError.count(key: "powerinfer.bits.margin", expected: 2, found: 1)) {
      try LeadingBitMargins(metadata: metadata, shape: shape)
    }
  }
}
