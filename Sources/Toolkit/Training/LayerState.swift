/// Where the training of a layer stands.
struct LayerState: Codable, Equatable {
  enum Phase: String, Codable { case probing, training, settling, trimming, done }

  var phase: Phase
  /// Rounds done in the phase.
  var round = 0
  /// Tokens learnt from.
  var seen = 0
  /// Steps of Adam.
  var step = 0
  /// Of computing all neurons.
  var price: Float
  /// The best rank that was tried so far, and its score; nil while there is none.
  var probed: Probe?
  /// What the best network does; nil while there is none.
  var best: Best?
  /// Rounds in all phases.
  var rounds = 0

  struct Probe: Codable, Equatable {
    var rank: Int
    var score: Double
  }

  struct Best: Codable, Equatable {
    var rank: Int
    var score: Double
    /// Of the phase.
    var round: Int
    var evaluation: LayerEvaluation
  }
}
