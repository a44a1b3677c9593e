public import PowerInferGGUF
import PowerInferKernels

/// The types whose elements this package can decode.
let readableTypes: [TensorType] = WeightFormat.allCases.compactMap { TensorType(rawValue: $0.rawValue) }

/// What becomes of each tensor, decided before anything is written.
public struct QuantizePlan: Sendable {
  /// A tensor and the type it will have.
  public struct Item: Sendable {
    public let source: Tensor
    public let layout: TensorLayout
    /// Of the columns, where an importance matrix knows the weight.
    let importance: [Float]?
  }

  /// All tensors, in the order of the input.
  public let items: [Item]
  /// Sentences about what a user would not expect.
  public let notes: [String]

  /// Decides for every tensor of a file.
  ///
  /// - One-dimensional tensors become F32, as do the few small matrices that steer others.
  /// - Matrices whose name ends in "weight", predictors included, get the options' type; the output matrix gets its own.
  /// - Rows that the type cannot cut into blocks of 256 get the next larger type with blocks of 32: Q5_0 for Q4_K, Q5_1 for
  ///   Q5_K, Q8_0 for Q6_K. Rows that fit no block become F16.
  /// - Everything else is copied as it is.
  ///
  /// - Throws: ``QuantizeError``, and ``ImportanceError`` for an importance matrix of another model.
  public init(_ file: GGUFFile, options: QuantizeOptions, guide: QuantizeGuide = .none) throws {
    var chooser = try TypeChooser(options, file)
    var items: [Item] = []
    for tensor in file.tensors {
      let type = try chooser.type(of: tensor)
      var importance: [Float]?
      if case .importance(let matrix, _) = guide, type != tensor.type, type.blockElements > 1,
        !WeightRole.isByNeuron(tensor.name)
      {
        importance = try matrix.importance(of: tensor.name, columns: tensor.columns)
      }
      let layout = TensorLayout(name: tensor.name, type: type, shape: tensor.shape)
      items.append(Item(source: tensor, layout: layout, importance: importance))
    }
    try chooser.checkPatterns()
    self.items = items
    notes =
      try chooser.fallbackNotes + QuantizePlan.notes(file, items: items)
      + QuantizePlan.importanceNotes(guide, items: items)
  }

  private static func importanceNotes(_ guide: QuantizeGuide, items: [Item]) throws(ImportanceError) -> [String] {
    guard case .importance(_, let path) = guide else { return [] }
    let quantised = items.filter {
      $0.layout.type != $0.source.type && $0.layout.type.blockElements > 1 && !WeightRole.isByNeuron($0.layout.name)
    }
    let unknown = quantised.filter { $0.importance == nil }
    if !quantised.isEmpty, unknown.count == quantised.count { throw .noneOfThese(path: path) }
    guard let first = unknown.first else { return [] }
    let others = unknown.count - 1
    return [
      "The importance matrix tells nothing of \"\(first.layout.name)\""
        + (others == 0 ? "" : " and \(others) other tensor\(others == 1 ? "" : "s")")
        + "; all columns count alike there."
    ]
  }

  private static func notes(_ file: GGUFFile, items: [Item]) -> [String] {
    var notes: [String] = []
    let again = Set(
      items.filter { $0.layout.type != $0.source.type && $0.source.type.blockElements > 1 }.map(\.source.type.name))
    if !again.isEmpty {
      notes.append(
        "The input is quantised already (\(again.sorted().joined(separator: ", "))); from F16 or F32 the result would be "
          + "a little better.")
    }
    let down = items.first { $0.layout.name.hasSuffix("ffn_down_t.weight") && ![.f16, .q4_0].contains($0.layout.type) }
    if file.magic == .powerInfer, let down {
      notes.append(
        "The original PowerInfer computes ffn_down_t only in F16 and Q4_0; it would load this file with "
          + "\(down.layout.type.name) and answer nonsense. This package reads all of them.")
    }
    return notes
  }
}

/// Chooses the type of one tensor after another and remembers what is worth telling.
private struct TypeChooser {
  static let output = "output.weight"
  static let embeddings = "token_embd.weight"
  /// Routers and short convolutions: small, and everything behind them depends on them.
  static let delicate = ["ffn_gate_inp.weight", "ffn_gate_inp_shexp.weight", "ssm_conv1d.weight"]

  private let options: QuantizeOptions
  private let isTied: Bool
  private let model: QuantizeMix.Model
  private let patterns: [(regex: Regex<AnyRegexOutput>, override: TensorTypeOverride)]
  private var used: Set<String> = []
  /// By wanted and chosen type: how many tensors fell back, and the first of them.
  private var fallbacks: [Fallback: (count: Int, first: Tensor)] = [:]

  private struct Fallback: Hashable {
    let wanted: TensorType
    let chosen: TensorType
  }

  init(_ options: QuantizeOptions, _ file: GGUFFile) throws(QuantizeError) {
    self.options = options
    isTied = file.tensor(named: TypeChooser.output) == nil
    model = QuantizeMix.Model(file)
    var patterns: [(Regex<AnyRegexOutput>, TensorTypeOverride)] = []
    for override in options.overrides {
      guard let regex = try? Regex(override.pattern) else { throw .badPattern(override.pattern) }
      patterns.append((regex, override))
    }
    self.patterns = patterns
  }

  mutating func type(of tensor: Tensor) throws(QuantizeError) -> TensorType {
    let isReadable = readableTypes.contains(tensor.type)
    let isMatrix = tensor.rows > 1 && tensor.shape.count > 1
    guard isMatrix, tensor.name.hasSuffix("weight"), !TypeChooser.delicate.contains(where: tensor.name.hasSuffix) else {
      // Integers and the like stay; numbers in other formats become F32, as every engine expects norms and biases.
      return isReadable && !isMatrix ? .f32 : tensor.type
    }
    let wanted = type(named: tensor.name)
    // F16 suits always.
    let chosen = wanted.candidates.first { tensor.columns % $0.blockElements == 0 } ?? .f16
    if chosen != wanted { fallbacks[Fallback(wanted: wanted, chosen: chosen), default: (0, tensor)].count += 1 }
    guard isReadable || chosen == tensor.type else {
      throw .unreadableType(tensor: tensor.name, type: tensor.type)
    }
    return chosen
  }

  private mutating func type(named name: String) -> TensorType {
    let fitting = patterns.filter { (try? $0.regex.firstMatch(in: name)) != nil }.map(\.override)
    used.formUnion(fitting.map(\.pattern))
    if let first = fitting.first { return first.type }
    if name == TypeChooser.output || (isTied && name == TypeChooser.embeddings) {
      if let type = options.outputType { return type }
      return options.mix != nil && !options.isPure && model.isFalcon ? .q8_0 : options.usualOutputType
    }
    if let mix = options.mix, !options.isPure, name != TypeChooser.embeddings { return mix.type(of: name, in: model) }
    return options.type
  }

  func checkPatterns() throws(QuantizeError) {
    for override in options.overrides where !used.contains(override.pattern) {
      throw .unusedPattern(override.pattern)
    }
  }

  var fallbackNotes: [String] {
    let inOrder = fallbacks.sorted {
      ($0.key.wanted.rawValue, $0.key.chosen.rawValue) < ($1.key.wanted.rawValue, $1.key.chosen.rawValue)
    }
    return inOrder.map { types, fallback in
      let others = fallback.count - 1
      let who = others == 0 ? "becomes" : "and \(others) other tensor\(others == 1 ? "" : "s") become"
      return
        "\"\(fallback.first.name)\" \(who) \(types.chosen.name): rows of \(fallback.first.columns) elements cannot be "
        + "\(types.wanted.name), which needs a multiple of \(types.wanted.blockElements)."
    }
  }
}
