import PowerInferGGUF

/// What was done.
public struct QuantizeReport: Sendable, Encodable {
  public let inputBytes: Int
  public let outputBytes: Int
  /// Of all tensors of the result together.
  public let bitsPerWeight: Double
  public let notes: [String]
  public let tensors: [TensorChange]

  /// A tensor's type before and after.
  public struct TensorChange: Sendable, Encodable {
    public let name: String
    public let from: String
    public let to: String
  }

  init(_ plan: QuantizePlan, inputBytes: Int, outputBytes: Int) {
    self.inputBytes = inputBytes
    self.outputBytes = outputBytes
    notes = plan.notes
    tensors = plan.items.map { .init(name: $0.layout.name, from: $0.source.type.name, to: $0.layout.type.name) }
    let weights = plan.items.reduce(0) { $0 + $1.source.elementCount }
    let bytes = plan.items.reduce(0) { $0 + ((try? $1.layout.byteCount()) ?? 0) }
    bitsPerWeight = weights > 0 ? Double(bytes) * 8 / Double(weights) : 0
  }

  /// The report for people.
  public func text(from input: String, to output: String) -> String {
    let kinds = Dictionary(grouping: tensors) { $0.from == $0.to ? "\($0.to) kept" : "\($0.from) to \($0.to)" }
    let changes = kinds.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
      .map { "\($0.value.count) \($0.value.count == 1 ? "tensor" : "tensors") \($0.key)" }
    let bits = (bitsPerWeight * 100).rounded() / 100
    return """
      \(input): \(FileDescription.size(inputBytes))
      \(output): \(FileDescription.size(outputBytes)), \(bits) bits per weight
      \(changes.joined(separator: ", "))

      """
  }
}
