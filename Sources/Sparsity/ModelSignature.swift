import Crypto
import PowerInferKernels
public import PowerInferModel

/// What tells a model's neurons, in the order of its file, from those of any other model or order.
///
/// SHA-256 over architecture, sizes and a sample of the weights' bytes: of up to 256 evenly spaced neurons in every layer the
/// first 32 bytes of the row of `ffn_up`. So two quantisations of one model have different signatures, and reading it takes
/// no more than a page of memory for each of these rows. Neurons that change places outside the sample alone go unnoticed.
public struct ModelSignature: Sendable, Equatable {
  /// 64 hexadecimal digits.
  public let digest: String

  /// The signature of an open model.
  public init(_ model: LanguageModel) {
    let configuration = model.configuration
    var hash = SHA256()
    hash.update(data: Array(configuration.architecture.name.utf8))
    for size in [configuration.hiddenSize, configuration.feedForwardSize, configuration.layerCount] {
      hash.update(number: size)
    }
    for layer in model.weights.layers {
      hash.update(number: Int(layer.up.format.rawValue))
      let sampled = min(Self.neuronsPerLayer, layer.up.rows)
      let length = min(Self.bytesPerNeuron, layer.up.format.rowBytes(columns: layer.up.columns))
      var row = [UInt8](repeating: 0, count: layer.up.format.rowBytes(columns: layer.up.columns))
      for index in 0..<sampled {
        row.withUnsafeMutableBytes { bytes in
          guard let start = bytes.baseAddress else { return }
          layer.up.copyBlocks(ofRow: index * layer.up.rows / sampled, into: start)
          hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: bytes[..<length]))
        }
      }
    }
    digest = withExtendedLifetime(model) {
      hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
  }

  /// A signature that was written down.
  init(digest: String) {
    self.digest = digest
  }

  private static let neuronsPerLayer = 256
  private static let bytesPerNeuron = 32
}

extension SHA256 {
  fileprivate mutating func update(number: Int) {
    withUnsafeBytes(of: UInt64(number).littleEndian) { update(bufferPointer: $0) }
  }
}
