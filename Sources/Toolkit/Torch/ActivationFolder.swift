import Foundation
public import PowerInferCheckpoint
import PowerInferGGUF
public import PowerInferPlatform
public import PowerInferSparsity

/// How often neurons fire, as PowerInfer's own solver reads it: a folder with a file `activation_N.pt` for every layer, each a
/// one-dimensional tensor of as many counts as the layer has neurons (spec §2.2).
///
/// The number in a file's name is its layer's, whatever the order that the names sort in.
public enum ActivationFolder {
  /// Writes a profile, making the folder if there is none.
  ///
  /// - Parameters:
  ///   - profile: whose frequencies are written, as counts.
  ///   - folder: where the files will be.
  /// - Throws: ``ActivationFolderError``.
  public static func write(_ profile: ActivationProfile, to folder: String) throws(ActivationFolderError) {
    if FileIdentity(folder) == nil {
      do {
        try makeFolder(folder)
      } catch {
        throw .cannotCreate(folder)
      }
    }
    let layers = profile.frequencies.count
    // A file of a longer model would be taken for one of this.
    if let stray = try files(in: folder).last, stray.layer >= layers {
      throw .strayLayer(file: stray.path, layers: layers)
    }
    for (layer, frequencies) in profile.frequencies.enumerated() {
      // A file may claim any number of tokens, more than can be counted exactly among them.
      let counts = frequencies.map { Int64(exactly: (Double($0) * Double(profile.tokens)).rounded()) ?? .max }
      do {
        try TorchWriter.write(counts, to: path(folder, layer))
      } catch {
        throw .file(error)
      }
    }
  }

  /// Reads a folder as a profile.
  ///
  /// The files do not say how many tokens were counted: it is taken for the greatest count there is, so that frequencies are
  /// upper bounds, in the right relation to each other. Nor do they say what neurons contribute, which is 0.
  ///
  /// - Parameters:
  ///   - folder: with the files.
  ///   - shape: of the model.
  /// - Throws: ``ActivationFolderError``, or `NeuronRecordError`.
  public static func profile(_ folder: String, shape: FeedForwardShape) throws -> ActivationProfile {
    guard isFolder(folder) else { throw ActivationFolderError.notFolder(folder) }
    let found = try files(in: folder)
    for layer in 0..<shape.layers where !found.contains(where: { $0.layer == layer }) {
      throw ActivationFolderError.missing(file: path(folder, layer), layers: shape.layers)
    }
    if let stray = found.last, stray.layer >= shape.layers {
      throw ActivationFolderError.strayLayer(file: stray.path, layers: shape.layers)
    }
    let counts = try found.map { try Self.counts($0.path, neurons: shape.neurons) }
    let greatest = counts.reduce(0) { max($0, $1.max() ?? 0) }
    let tokens = max(greatest.rounded(.up), 1)
    return try ActivationProfile(
      frequencies: counts.map { $0.map { Float($0 / tokens) } },
      contributions: counts.map { $0.map { _ in 0 } }, tokens: Int(tokens),
      text: folder.split(separator: "/").last.map(String.init) ?? folder)
  }

  private static func path(_ folder: String, _ layer: Int) -> String { "\(folder)/activation_\(layer).pt" }

  /// The files for layers, by layer.
  private static func files(in folder: String) throws(ActivationFolderError) -> [(layer: Int, path: String)] {
    guard let names = namesInFolder(folder) else { throw .notFolder(folder) }
    var files: [(layer: Int, path: String)] = []
    for name in names.sorted() where name.hasSuffix(".pt") {
      let path = folder + "/" + name
      // Not "activation_01.pt": it could stand beside "activation_1.pt".
      guard name.hasPrefix("activation_"), let layer = Int(name.dropFirst(11).dropLast(3)),
        name == "activation_\(layer).pt", layer >= 0
      else { throw .strayFile(path) }
      files.append((layer, path))
    }
    return files.sorted { $0.layer < $1.layer }
  }

  /// Most tokens that are believed: beyond, a float no longer tells neighbouring counts apart.
  private static let mostTokens = 0x1p53

  private static func counts(_ path: String, neurons: Int) throws(ActivationFolderError) -> [Double] {
    let counts: [Double]
    do throws(CheckpointError) {
      let tensors = try TorchFile(opening: path).tensors
      guard tensors.count == 1, let tensor = tensors.first, tensor.name.isEmpty else {
        throw CheckpointError.inFile(path: path, reason: .notTensors(found: "a dictionary"))
      }
      guard tensor.shape == [neurons] else {
        throw CheckpointError.inFile(
          path: path, reason: .shape(tensor: "", expected: [neurons], found: tensor.shape))
      }
      counts = try tensor.numbers()
    } catch {
      throw .checkpoint(error)
    }
    if let neuron = counts.firstIndex(where: { !($0 >= 0 && $0 <= mostTokens) }) {
      throw .badCount(file: path, neuron: neuron, value: counts[neuron])
    }
    return counts
  }
}

/// Why a folder of activation counts cannot be read or written.
public enum ActivationFolderError: Error, Equatable, CustomStringConvertible {
  case notFolder(String)
  case cannotCreate(String)
  case missing(file: String, layers: Int)
  case strayLayer(file: String, layers: Int)
  case strayFile(String)
  case badCount(file: String, neuron: Int, value: Double)
  case checkpoint(CheckpointError)
  case file(FileError)

  public var description: String {
    switch self {
    case .notFolder(let path):
      "\"\(path)\" is not a folder; expected one with activation_0.pt, activation_1.pt, …"
    case .cannotCreate(let path):
      "The folder \"\(path)\" cannot be created."
    case .missing(let file, let layers):
      "There is no file \"\(file)\"; the model has \(layers) layers, each of which needs one."
    case .strayLayer(let file, let layers):
      "There is a file \"\(file)\", but the model has only \(layers) layers: these counts are another model's."
    case .strayFile(let file):
      "\"\(file)\" is not named as PowerInfer's files are: activation_0.pt, activation_1.pt, …"
    case .badCount(let file, let neuron, let value):
      "\"\(file)\" counts \(value) activations for neuron \(neuron), expected 0 or more."
    case .checkpoint(let error): error.description
    case .file(let error): error.description
    }
  }
}
