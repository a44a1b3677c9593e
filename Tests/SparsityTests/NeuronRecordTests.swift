import PowerInferGGUF
import PowerInferModel
import PowerInferTestKit
import Testing

@testable import PowerInferSparsity

@Suite struct NeuronRecordTests {
  private let folder: TemporaryFolder
  private let model: LanguageModel

  init() throws {
    folder = try TemporaryFolder()
    model = try LanguageModel(opening: TinyModel().write(to: folder.file("tiny.gguf")))
  }

  private static func profile(layers: Int = 2, neurons: Int = 96) throws -> ActivationProfile {
    var random = SeededGenerator(seed: 7)
    func numbers() -> [[Float]] { (0..<layers).map { _ in random.floats(neurons).map(abs) } }
    return try ActivationProfile(frequencies: numbers(), contributions: numbers(), tokens: 1234, text: "a.txt")
  }

  private static func thresholds() throws -> GateThresholds {
    try GateThresholds(thresholds: [0, 0.125], target: 0.4, tokens: 1 << 40, text: "ü.txt")
  }

  private func sentence(_ body: () throws -> Void) -> String {
    do {
      try body()
      return ""
    } catch {
      return "\(error)"
    }
  }

  /// What reading these keys from a model file complains of.
  private func complaint<Record: NeuronRecord>(
    _: Record.Type, _ record: Record, _ change: (inout Metadata) -> Void
  ) -> String {
    var metadata = Metadata()
    record.write(to: &metadata)
    change(&metadata)
    return sentence { _ = try Record(metadata: metadata, shape: FeedForwardShape(layers: 2, neurons: 96)) }
  }

  // MARK: Where records are found

  @Test func aSidecarGivesBackWhatWasWritten() throws {
    let (profile, thresholds) = (try Self.profile(), try Self.thresholds())
    try profile.writeSidecar(folder.file("p"), for: model)
    try thresholds.writeSidecar(folder.file("t"), for: model)
    #expect(try ActivationProfile(sidecar: folder.file("p"), for: model) == profile)
    #expect(try GateThresholds(sidecar: folder.file("t"), for: model) == thresholds)
    // Again over what is there, and nothing left beside it.
    try profile.writeSidecar(folder.file("p"), for: model)
    #expect(try folder.names() == ["p", "t", "tiny.gguf"])
  }

  @Test func theKeysAreThoseOfTheDocumentation() throws {
    try Self.profile().writeSidecar(folder.file("p"), for: model)
    try Self.thresholds().writeSidecar(folder.file("t"), for: model)
    let profile = try GGUFFile(opening: folder.file("p"))
    #expect(profile.magic == .gguf && profile.tensors.isEmpty)
    #expect(
      profile.metadata.keys == [
        "general.type", "general.name", "powerinfer.signature", "powerinfer.profile.version",
        "powerinfer.profile.tokens", "powerinfer.profile.text", "powerinfer.profile.frequency",
        "powerinfer.profile.contribution",
      ])
    #expect(profile.metadata["general.type"] == .string("neuron-profile"))
    #expect(profile.metadata["powerinfer.signature"] == .string(ModelSignature(model).digest))
    #expect(profile.metadata["powerinfer.profile.version"] == .uint32(1))
    #expect(profile.metadata["powerinfer.profile.tokens"] == .uint64(1234))
    let frequencies = try profile.metadata.requireArray("powerinfer.profile.frequency")
    #expect(frequencies.elementKind == .float32 && frequencies.count == 192)
    let expected = try Self.profile().frequencies
    #expect(frequencies.floats == expected[0] + expected[1])
    let thresholds = try GGUFFile(opening: folder.file("t")).metadata
    #expect(thresholds["general.type"] == .string("gate-thresholds"))
    #expect(thresholds["powerinfer.threshold.gate"] == .array(MetadataArray([Float(0), 0.125])))
    #expect(thresholds["powerinfer.threshold.target"] == .float32(0.4))
  }

  @Test func aNamedSidecarComesBeforeOneBesideTheModelAndThatBeforeTheModelsOwn() throws {
    func thresholds(_ tokens: Int) throws -> GateThresholds {
      try GateThresholds(thresholds: [0, 1], target: 0, tokens: tokens, text: "")
    }
    #expect(try GateThresholds.find(for: model) == nil)
    #expect(try ActivationProfile.find(for: model) == nil)

    var tiny = TinyModel()
    try thresholds(1).write(to: &tiny.extraMetadata)
    let model = try LanguageModel(opening: tiny.write(to: folder.file("own.gguf")))
    #expect(try GateThresholds.find(for: model) == thresholds(1))
    #expect(try GateThresholds(in: model) == thresholds(1))

    #expect(GateThresholds.sidecarPath(for: model) == folder.file("own.thresholds.gguf"))
    try thresholds(2).writeSidecar(folder.file("own.thresholds.gguf"), for: model)
    #expect(try GateThresholds.find(for: model) == thresholds(2))

    try thresholds(3).writeSidecar(folder.file("named"), for: model)
    #expect(try GateThresholds.find(for: model, sidecar: folder.file("named")) == thresholds(3))
    // The profile is looked for elsewhere, and the model file has none.
    #expect(try ActivationProfile.find(for: model) == nil)
  }

  @Test func sidecarsAreNamedAfterTheirModel() {
    #expect(ActivationProfile.sidecarPath(forModelAt: "a/m.gguf") == "a/m.profile.gguf")
    #expect(GateThresholds.sidecarPath(forModelAt: "a/m.gguf") == "a/m.thresholds.gguf")
    #expect(GateThresholds.sidecarPath(forModelAt: "m.bin") == "m.bin.thresholds.gguf")
  }

  // MARK: What is refused

  @Test func aSidecarOfAnotherModelOrOrderIsRefused() throws {
    let path = folder.file("p")
    try Self.profile().writeSidecar(path, for: model)
    let refusal =
      "\"\(path)\": The file belongs to another model, or to this one with its weights in another type or its neurons in "
      + "another order."
    for (number, other) in [TinyModel(seed: 2), TinyModel(weightType: .f16)].enumerated() {
      let other = try LanguageModel(opening: other.write(to: folder.file("other\(number).gguf")))
      #expect(sentence { _ = try ActivationProfile(sidecar: path, for: other) } == refusal)
    }
    // The same neurons, two of which have changed places.
    let up = try model.file.requireTensor("blk.1.ffn_up.weight")
    var bytes = try folder.read("tiny.gguf")
    let data = Array(up.bytes)
    let row = data.count / 96
    let start = try #require(bytes.indices.first { bytes[$0...].starts(with: data) })
    bytes.replaceSubrange(
      start + 94 * row..<start + 96 * row, with: data[95 * row..<96 * row] + data[94 * row..<95 * row])
    let reordered = try LanguageModel(opening: folder.write("reordered.gguf", bytes))
    #expect(sentence { _ = try ActivationProfile(sidecar: path, for: reordered) } == refusal)
  }

  @Test func aSidecarOfAnotherKindIsRefused() throws {
    let path = folder.file("t")
    try Self.thresholds().writeSidecar(path, for: model)
    #expect(
      sentence { _ = try ActivationProfile(sidecar: path, for: model) }
        == "\"\(path)\": The file holds no activation profile: its key \"general.type\" says \"gate-thresholds\", where "
        + "\"neuron-profile\" was expected.")
    let tiny = folder.file("tiny.gguf")
    #expect(
      sentence { _ = try GateThresholds(sidecar: tiny, for: model) }
        == "\"\(tiny)\": The file holds no gate thresholds: it has no key \"general.type\", where \"gate-thresholds\" was "
        + "expected.")
  }

  @Test func aDamagedSidecarIsRefused() throws {
    let path = folder.file("p")
    #expect(sentence { _ = try ActivationProfile(sidecar: path, for: model) } == "There is no file \"\(path)\".")
    try Self.profile().writeSidecar(path, for: model)
    let bytes = try folder.read("p")
    // Wherever it is cut off: the file ends with padding to a multiple of 32 bytes, which nothing needs.
    for length in stride(from: 0, to: bytes.count - 32, by: 61) {
      try folder.write("p", Array(bytes.prefix(length)))
      let complaint = sentence { _ = try ActivationProfile(sidecar: path, for: model) }
      #expect(complaint.hasPrefix("\"\(path)\": ") && complaint.hasSuffix("."), "\(length): \(complaint)")
    }
    try folder.write("p", Array(bytes.prefix(bytes.count / 2)))
    #expect(
      sentence { _ = try ActivationProfile(sidecar: path, for: model) }.hasPrefix(
        "\"\(path)\": The file announces 192 elements for \"powerinfer.profile.frequency\", more than the "))
    // Any byte changed gives the profile of these numbers, other numbers, or a sentence.
    var random = SeededGenerator(seed: 3)
    for _ in 0..<300 {
      var changed = bytes
      changed[random.below(bytes.count)] = UInt8(random.below(256))
      try folder.write("p", changed)
      #expect(!sentence { _ = try ActivationProfile(sidecar: path, for: model) }.contains("\n"))
    }
  }

  @Test func writingWhereNoFileCanBeIsASentence() throws {
    #expect(
      sentence { try Self.profile().writeSidecar(folder.file("no/p"), for: model) }
        == "\"\(folder.file("no/p"))\" cannot be created: there is no folder \"\(folder.file("no"))\".")
    #expect(
      sentence { try Self.profile(layers: 3).writeSidecar(folder.file("p"), for: model) }
        == "The activation profile is of 3 layers of 96 neurons, but the model has 2 of 96.")
    #expect(try folder.names() == ["tiny.gguf"])
  }

  @Test func aRecordOfAnotherShapeIsRefused() throws {
    let shape = FeedForwardShape(layers: 3, neurons: 96)
    #expect(
      sentence { try Self.profile().check(shape) }
        == "The activation profile is of 2 layers of 96 neurons, but the model has 3 of 96.")
    #expect(
      sentence { try Self.thresholds().check(shape) }
        == "There are gate thresholds for 2 layers, but the model has 3.")
    try Self.profile(layers: 3).check(shape)
  }

  @Test func keysOfTheWrongKindAreRefused() throws {
    let profile = try Self.profile()
    func complaint(_ key: String, _ value: MetadataValue?) -> String {
      self.complaint(ActivationProfile.self, profile) { $0["powerinfer.profile.\(key)"] = value }
    }
    #expect(
      complaint("version", .uint32(2)) == "The metadata key \"powerinfer.profile.version\" is 2; this version reads 1.")
    #expect(complaint("version", nil) == "The metadata key \"powerinfer.profile.version\" is missing.")
    #expect(complaint("tokens", nil) == "The metadata key \"powerinfer.profile.tokens\" is missing.")
    #expect(complaint("tokens", .uint64(0)) == "The number of tokens counted is 0, expected at least 1.")
    #expect(
      complaint("tokens", .uint64(.max))
        == "The metadata key \"powerinfer.profile.tokens\" holds the number 18446744073709551615, which is out of range."
    )
    #expect(
      complaint("text", .bool(true))
        == "The metadata key \"powerinfer.profile.text\" holds true, where a string was expected.")
    #expect(complaint("text", nil) == "")
    #expect(complaint("frequency", nil) == "The metadata key \"powerinfer.profile.frequency\" is missing.")
    #expect(
      complaint("frequency", .array(MetadataArray(["a"])))
        == "The metadata key \"powerinfer.profile.frequency\" holds an array of 1 string values, where an array of numbers "
        + "was expected.")
    for count in [0, 191, 193] {
      #expect(
        complaint("contribution", .array(MetadataArray([Float](repeating: 0, count: count))))
          == "The metadata key \"powerinfer.profile.contribution\" holds \(count) numbers, expected 192.")
    }
    let thresholds = try Self.thresholds()
    #expect(
      self.complaint(GateThresholds.self, thresholds) {
        $0.set("powerinfer.threshold.gate", .array(MetadataArray([Float(1)])))
      } == "The metadata key \"powerinfer.threshold.gate\" holds 1 numbers, expected 2.")
    #expect(
      self.complaint(GateThresholds.self, thresholds) { $0.remove("powerinfer.threshold.target") }
        == "The metadata key \"powerinfer.threshold.target\" is missing.")
    // The model's file is named where the keys are its own.
    var tiny = TinyModel()
    thresholds.write(to: &tiny.extraMetadata)
    tiny.extraMetadata.set("powerinfer.threshold.version", .uint32(9))
    let path = try tiny.write(to: folder.file("own.gguf"))
    #expect(
      sentence { _ = try GateThresholds(in: LanguageModel(opening: path)) }
        == "\"\(path)\": The metadata key \"powerinfer.threshold.version\" is 9; this version reads 1.")
  }

  @Test(arguments: [-0.001, 1.001, .nan, .infinity, -.infinity] as [Float])
  func frequenciesAreShares(value: Float) throws {
    #expect(
      sentence {
        _ = try ActivationProfile(
          frequencies: [[0, 1], [0.5, value]], contributions: [[0, 1], [2, 3]], tokens: 1, text: "")
      } == "The frequency of neuron 1 in layer 1 is \(value), expected 0 to 1.")
  }

  @Test(arguments: [-0.001, .nan, .infinity, -.infinity] as [Float])
  func contributionsAndThresholdsAreNoLessThanZero(value: Float) throws {
    #expect(
      sentence {
        _ = try ActivationProfile(frequencies: [[0, 1]], contributions: [[value, 1]], tokens: 1, text: "")
      } == "The contribution of neuron 0 in layer 0 is \(value), expected a number of 0 or more.")
    #expect(
      sentence { _ = try GateThresholds(thresholds: [0, value], target: 0, tokens: 1, text: "") }
        == "The threshold of layer 1 is \(value), expected a number of 0 or more.")
  }

  @Test(arguments: [-0.1, 1, .nan, .infinity] as [Float]) func aTargetIsAShareButNotAll(target: Float) {
    #expect(
      sentence { _ = try GateThresholds(thresholds: [0], target: target, tokens: 1, text: "") }
        == "The share of neurons to leave out is \(target), expected 0 or more and less than 1.")
  }

  @Test func listsThatDoNotMatchAreRefused() {
    func complaint(_ frequencies: [[Float]], _ contributions: [[Float]]) -> String {
      sentence {
        _ = try ActivationProfile(frequencies: frequencies, contributions: contributions, tokens: 1, text: "")
      }
    }
    #expect(complaint([[1]], []) == "There are frequencies for 1 layers, but contributions for 0.")
    #expect(
      complaint([[1], [1, 1]], [[1], [1, 1]])
        == "Layer 1 has numbers for 2 neurons, expected 1 as in the others.")
    #expect(complaint([[1], [1]], [[1], []]) == "Layer 1 has numbers for 0 neurons, expected 1 as in the others.")
  }
}
