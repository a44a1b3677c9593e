import PowerInferModel

/// The stages of a forward pass that ``StageTimes`` tells apart.
public enum Stage: Int, Sendable, CaseIterable {
  /// The token's row of the embeddings, and the angles of its position.
  case embedding
  case attentionNorm
  case queryKeyValue
  /// Rotates queries and keys; puts keys and values into the cache.
  case rotation
  case attention
  case attentionOutput
  case feedForwardNorm
  /// Which neurons will fire.
  case predictor
  /// Which neurons may fire, by the leading bits of their gates.
  case leadingBits
  case gateUp
  case activation
  case down
  case outputNorm
  case logits
  /// At a barrier, for the other threads.
  case waiting

  /// As a table shows it.
  public var title: String {
    switch self {
    case .embedding: "embedding"
    case .attentionNorm: "attention norm"
    case .queryKeyValue: "query, key, value"
    case .rotation: "rotation and cache"
    case .attention: "attention"
    case .attentionOutput: "attention output"
    case .feedForwardNorm: "feed-forward norm"
    case .predictor: "predictor"
    case .leadingBits: "leading bits"
    case .gateUp: "gate and up"
    case .activation: "activation"
    case .down: "down"
    case .outputNorm: "output norm"
    case .logits: "logits"
    case .waiting: "waiting"
    }
  }

  /// The weights that the stage reads, if any.
  var weights: WeightGroup? {
    switch self {
    case .embedding: .embedding
    case .attentionNorm: .attentionNorm
    case .queryKeyValue: .queryKeyValue
    case .attentionOutput: .attentionOutput
    case .feedForwardNorm: .feedForwardNorm
    case .gateUp: .gateUp
    case .down: .down
    case .outputNorm: .outputNorm
    case .logits: .logits
    case .rotation, .attention, .predictor, .leadingBits, .activation, .waiting: nil
    }
  }
}
