public import PowerInferKernels

/// What some part of a forward pass reads and computes, counted from shapes: exact, nothing measured.
public struct WeightUse: Sendable, Equatable {
  /// Bytes of weights read.
  public var bytes: Int
  /// Products of a weight with an activation, for one token; twice as many floating-point operations.
  public var products: Int

  /// Nothing.
  public static let none = WeightUse(bytes: 0, products: 0)

  public init(bytes: Int, products: Int) {
    self.bytes = bytes
    self.products = products
  }

  /// A matrix that a vector is multiplied by.
  public init(_ matrix: Matrix) {
    self.init(
      bytes: matrix.rows * matrix.format.rowBytes(columns: matrix.columns), products: matrix.rows * matrix.columns)
  }

  /// A gain or a bias, which is read in F32 whatever the file stores.
  init(_ vector: Vector) {
    self.init(bytes: vector.count * MemoryLayout<Float>.stride, products: 0)
  }

  /// Gain and bias of a norm.
  init(_ norm: NormWeights) {
    self = WeightUse(norm.gain) + (norm.bias.map { WeightUse($0) } ?? .none)
  }

  public static func + (a: WeightUse, b: WeightUse) -> WeightUse {
    WeightUse(bytes: a.bytes + b.bytes, products: a.products + b.products)
  }
}

/// The parts of a forward pass that read weights.
public enum WeightGroup: String, Sendable, Codable, CaseIterable {
  case embedding, attentionNorm, queryKeyValue, attentionOutput, feedForwardNorm, gateUp, down, outputNorm, logits
}

extension Weights {
  /// What one token takes of a group, in all layers together.
  ///
  /// An embedding is one row of its table. Predictors count nothing, for a dense pass does not read them. The count of
  /// ``WeightGroup/down`` is a bound where silent neurons are rows of it.
  public func use(_ group: WeightGroup) -> WeightUse { use(group, of: layers[...]) }

  /// What one token takes of a group in one layer.
  public func use(_ group: WeightGroup, layer: Int) -> WeightUse { use(group, of: layers[layer...layer]) }

  /// Products that a group takes for so many tokens, of which `logits` ask for logits: what comes after the attention of the
  /// last layer is computed for these alone, unless `hasParallelBlocks`.
  public func products(_ group: WeightGroup, tokens: Int, logits: Int, hasParallelBlocks: Bool) -> Int {
    switch group {
    case .outputNorm, .logits: use(group).products * logits
    case .attentionOutput, .feedForwardNorm, .gateUp, .down:
      use(group).products * tokens
        - (hasParallelBlocks ? 0 : use(group, of: layers.suffix(1)).products * (tokens - logits))
    case .embedding, .attentionNorm, .queryKeyValue: use(group).products * tokens
    }
  }

  private func use(_ group: WeightGroup, of layers: ArraySlice<LayerWeights>) -> WeightUse {
    func sum(_ parts: (LayerWeights) -> [WeightUse]) -> WeightUse {
      layers.reduce(.none) { parts($1).reduce($0, +) }
    }
    func biases(_ vectors: Vector?...) -> [WeightUse] { vectors.compactMap { $0.map { WeightUse($0) } } }
    switch group {
    case .embedding:
      let rows = [tokenEmbedding, positionEmbedding].compactMap { $0 }
      return WeightUse(bytes: rows.reduce(0) { $0 + $1.format.rowBytes(columns: $1.columns) }, products: 0)
    case .attentionNorm: return sum { [WeightUse($0.attentionNorm)] }
    case .queryKeyValue:
      return sum {
        [WeightUse($0.query), WeightUse($0.key), WeightUse($0.value)] + biases($0.queryBias, $0.keyBias, $0.valueBias)
      }
    case .attentionOutput: return sum { [WeightUse($0.attentionOutput)] + biases($0.attentionOutputBias) }
    case .feedForwardNorm: return sum { [$0.feedForwardNorm.map { WeightUse($0) } ?? .none] }
    case .gateUp:
      return sum { [$0.gate.map { WeightUse($0) } ?? .none, WeightUse($0.up)] + biases($0.gateBias, $0.upBias) }
    case .down:
      return sum {
        switch $0.down {
        case .rows(let matrix), .neurons(let matrix): [WeightUse(matrix)] + biases($0.downBias)
        }
      }
    case .outputNorm: return WeightUse(outputNorm)
    case .logits: return WeightUse(output)
    }
  }

  /// Bytes of weights that decoding one token reads: every layer's matrices, norms and biases, the output matrix (the tied
  /// embeddings where there is none), one row of the embeddings. A bound where silent neurons are
  /// rows of the down projection.
  public var bytesPerToken: Int {
    WeightGroup.allCases.reduce(0) { $0 + use($1).bytes }
  }

  /// Products that `tokens` tokens take of which `logits` ask for logits; attention's own, which grow with the positions
  /// so far, not counted.
  public func products(tokens: Int, logits: Int, hasParallelBlocks: Bool) -> Int {
    WeightGroup.allCases.reduce(0) {
      $0 + products($1, tokens: tokens, logits: logits, hasParallelBlocks: hasParallelBlocks)
    }
  }
}

extension Weights {
  /// The matrices that are multiplied for every token that is decoded, in their order.
  public var decodedMatrices: [Matrix] {
    var matrices: [Matrix] = []
    for layer in layers {
      matrices += [layer.query, layer.key, layer.value, layer.attentionOutput]
      matrices += [layer.gate, layer.up].compactMap { $0 }
      if case .rows(let down) = layer.down { matrices.append(down) }
    }
    return matrices + [output]
  }
}
