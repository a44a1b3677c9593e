import Foundation
import PowerInferCheckpoint
import PowerInferSparsity
import PowerInferTestKit
import Testing

@testable import PowerInferToolkit

/// PowerInfer's own form of profiles.
@Suite struct ActivationFolderTests {
  private let shape = FeedForwardShape(layers: 12, neurons: 4)

  /// Neuron n of layer l fires for l + n of 100 tokens.
  private func profile() throws -> ActivationProfile {
    let frequencies = (0..<12).map { layer in (0..<4).map { Float(layer + $0) / 100 } }
    return try ActivationProfile(
      frequencies: frequencies, contributions: frequencies.map { $0.map { _ in 1 } }, tokens: 100, text: "t")
  }

  private func folder() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try ActivationFolder.write(profile(), to: folder.file("a"))
    return folder
  }

  @Test func countsAreWritten() throws {
    let folder = try folder()
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.file("a")).sorted()
    #expect(names == (0..<12).map { "activation_\($0).pt" }.sorted())
    for layer in 0..<12 {
      let tensor = try #require(try TorchFile(opening: folder.file("a/activation_\(layer).pt")).tensors.first)
      #expect(tensor.type == .i64)
      #expect(try tensor.numbers() == (0..<4).map { Double(layer + $0) })
    }
    // Again, in their place.
    try ActivationFolder.write(profile(), to: folder.file("a"))
  }

  /// Layer 10 sorts before layer 2, but is not.
  /// A profile's file may claim as many tokens as a 64-bit number can.
  @Test func countsThatNoFileHoldsAreClamped() throws {
    let folder = try TemporaryFolder()
    let profile = try ActivationProfile(frequencies: [[1, 0]], contributions: [[1, 0]], tokens: .max, text: "a")
    try ActivationFolder.write(profile, to: folder.file("a"))
    let tensor = try #require(try TorchFile(opening: folder.file("a/activation_0.pt")).tensors.first)
    #expect(try tensor.numbers() == [0x1p63, 0])
  }

  @Test func layersAreReadByTheirNumber() throws {
    let folder = try folder()
    let profile = try ActivationFolder.profile(folder.file("a"), shape: shape)
    #expect(profile.tokens == 14)
    #expect(profile.text == "a")
    for layer in 0..<12 {
      #expect(profile.frequencies[layer] == (0..<4).map { Float(Double(layer + $0) / 14) })
    }
    #expect(profile.contributions.allSatisfy { $0 == [0, 0, 0, 0] })
  }

  @Test func otherNumbersAreRead() throws {
    let folder = try TemporaryFolder()
    try TorchWriter.write([Float](arrayLiteral: 0.5, 0, 2.25, 1), to: folder.file("activation_0.pt"))
    try folder.write("README", "not a tensor")
    let profile = try ActivationFolder.profile(folder.path, shape: FeedForwardShape(layers: 1, neurons: 4))
    #expect(profile.tokens == 3)
    let expected: [Float] = [Float(0.5 / 3.0), 0, 0.75, Float(1.0 / 3.0)]
    #expect(profile.frequencies == [expected])
    try TorchWriter.write([Int64](repeating: 0, count: 4), to: folder.file("activation_0.pt"))
    let silent = try ActivationFolder.profile(folder.path, shape: FeedForwardShape(layers: 1, neurons: 4))
    #expect(silent.frequencies == [[0, 0, 0, 0]])
  }

  @Test(arguments: [
    (
      "missing", "There is no file \"@/activation_3.pt\"; the model has 12 layers, each of which needs one."
    ),
    (
      "more",
      "There is a file \"@/activation_12.pt\", but the model has only 12 layers: these counts are another model's."
    ),
    ("stray", "\"@/activation_01.pt\" is not named as PowerInfer's files are: activation_0.pt, activation_1.pt, …"),
    ("model", "\"@/model_0.pt\" is not named as PowerInfer's files are: activation_0.pt, activation_1.pt, …"),
    ("length", "\"@/activation_5.pt\": The tensor has the shape [5], expected [4]."),
    ("negative", "\"@/activation_5.pt\" counts -1.0 activations for neuron 2, expected 0 or more."),
    ("nan", "\"@/activation_5.pt\" counts nan activations for neuron 0, expected 0 or more."),
    (
      "damaged",
      "\"@/activation_5.pt\": This is not a PyTorch file: it starts with the bytes 31 32 33, where 50 4b 03 04 (ZIP) "
        + "was expected."
    ),
  ]) func mistakesAreNamed(kind: String, sentence: String) throws {
    let folder = try folder()
    let path = folder.file("a")
    switch kind {
    case "missing": try FileManager.default.removeItem(atPath: path + "/activation_3.pt")
    case "more": try TorchWriter.write([Int64](repeating: 1, count: 4), to: path + "/activation_12.pt")
    case "stray": try TorchWriter.write([Int64](repeating: 1, count: 4), to: path + "/activation_01.pt")
    case "model": try TorchWriter.write([Int64](repeating: 1, count: 4), to: path + "/model_0.pt")
    case "length": try TorchWriter.write([Int64](repeating: 1, count: 5), to: path + "/activation_5.pt")
    case "negative": try TorchWriter.write([Int64](arrayLiteral: 1, 1, -1, 1), to: path + "/activation_5.pt")
    case "nan": try TorchWriter.write([Float](arrayLiteral: .nan, 1, -1, 1), to: path + "/activation_5.pt")
    default: try folder.write("a/activation_5.pt", "123")
    }
    let error = #expect(throws: ActivationFolderError.self) { try ActivationFolder.profile(path, shape: shape) }
    #expect(error?.description == sentence.replacing("@", with: path))
  }

  @Test func anotherModelsFolderIsNotMixed() throws {
    let folder = try folder()
    let short = try ActivationProfile(frequencies: [[0, 1]], contributions: [[0, 1]], tokens: 5, text: "t")
    #expect(throws: ActivationFolderError.strayLayer(file: folder.file("a/activation_11.pt"), layers: 1)) {
      try ActivationFolder.write(short, to: folder.file("a"))
    }
    #expect(throws: ActivationFolderError.cannotCreate(folder.file("x/y"))) {
      try ActivationFolder.write(short, to: folder.file("x/y"))
    }
    let file = try folder.write("file", "x")
    #expect(throws: ActivationFolderError.notFolder(file)) { try ActivationFolder.write(short, to: file) }
    #expect(throws: ActivationFolderError.notFolder(file)) { try ActivationFolder.profile(file, shape: shape) }
  }
}
