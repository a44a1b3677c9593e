import PowerInferGGUF

/// What was done.
public struct ConvertReport: Sendable, Encodable {
  public let architecture: String
  /// Whether the result is a PowerInfer file.
  public let isPowerInfer: Bool
  /// Bytes of the weights read.
  public let inputBytes: Int
  public let outputBytes: Int
  /// Bytes that an earlier run had left.
  public let resumedBytes: Int
  /// Of all tensors of the result together.
  public let bitsPerWeight: Double
  public let tokens: Int
  public let notes: [String]
  public let tensors: [ConvertedTensor]

  /// A tensor of the result.
  public struct ConvertedTensor: Sendable, Encodable {
    public let name: String
    public let type: String
    /// The contiguous dimension first.
    public let shape: [Int]
  }

  init(_ plan: ConversionPlan, outputBytes: Int, resumedBytes: Int) {
    architecture = plan.metadata["general.architecture"]?.string ?? ""
    isPowerInfer = plan.magic == .powerInfer
    inputBytes = plan.inputBytes
    self.outputBytes = outputBytes
    self.resumedBytes = resumedBytes
    tokens = plan.metadata["tokenizer.ggml.tokens"]?.array?.count ?? 0
    notes = plan.notes
    tensors = plan.layouts.map { .init(name: $0.name, type: $0.type.name, shape: $0.shape) }
    let weights = plan.layouts.reduce(0) { $0 + $1.shape.reduce(1, *) }
    let bytes = plan.layouts.reduce(0) { $0 + ((try? $1.byteCount()) ?? 0) }
    bitsPerWeight = weights > 0 ? Double(bytes) * 8 / Double(weights) : 0
  }

  /// The report for people.
  public func text(from input: String, to output: String) -> String {
    let kinds = Dictionary(grouping: tensors, by: \.type).sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
      .map { "\($0.value.count) \($0.value.count == 1 ? "tensor" : "tensors") \($0.key)" }
    let bits = (bitsPerWeight * 100).rounded() / 100
    let format = isPowerInfer ? "PowerInfer GGUF" : "GGUF"
    let resumed = resumedBytes > 0 ? ", \(FileDescription.size(resumedBytes)) of them from an earlier run" : ""
    return """
      \(input): \(architecture), \(FileDescription.size(inputBytes)) of weights, \(tokens) tokens
      \(output): \(format), \(FileDescription.size(outputBytes))\(resumed), \(bits) bits per weight
      \(kinds.joined(separator: ", "))

      """
  }
}
