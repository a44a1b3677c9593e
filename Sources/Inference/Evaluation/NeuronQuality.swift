/// How well a list of neurons covers those that fire, counted over pairs of a neuron and a token.
///
/// A neuron fires where it gives something: h ≠ 0. It is listed where its activation source has it computed; of the sources
/// that look at gates, this is what is computed beyond the gate.
public struct NeuronQuality: Sendable, Equatable {
  /// Pairs looked at.
  public var seen = 0
  public var fired = 0
  public var listed = 0
  /// Pairs that fired and were listed.
  public var hits = 0
  /// Σ |h| · ‖row of the down projection‖: what all neurons contribute, signs and directions left aside.
  public var contribution = 0.0
  /// The same of those that were listed.
  public var keptContribution = 0.0
  /// Σ (|h| · ‖row of the down projection‖)²: what is lost of it raises perplexity by about as much, whatever the layer.
  public var squaredContribution = 0.0
  /// The same of those that were listed.
  public var keptSquaredContribution = 0.0

  /// Nothing seen yet.
  public init() {}

  /// Share that fired; `nil` where nothing was seen.
  public var activeShare: Double? { Self.share(Double(fired), of: Double(seen)) }
  /// Share that was listed; `nil` where nothing was seen.
  public var computedShare: Double? { Self.share(Double(listed), of: Double(seen)) }
  /// Share of what fired that was listed; `nil` where nothing fired.
  public var recall: Double? { Self.share(Double(hits), of: Double(fired)) }
  /// Share of what was listed that fired; `nil` where nothing was listed.
  public var precision: Double? { Self.share(Double(hits), of: Double(listed)) }
  /// Share of the contribution that comes from what was listed; `nil` where there was none.
  public var keptShare: Double? { Self.share(keptContribution, of: contribution) }

  /// Share of the squared contribution that comes from what was listed; `nil` where there was none.
  public var keptSquareShare: Double? { Self.share(keptSquaredContribution, of: squaredContribution) }

  private static func share(_ part: Double, of whole: Double) -> Double? { whole == 0 ? nil : part / whole }

  public static func + (a: NeuronQuality, b: NeuronQuality) -> NeuronQuality {
    var sum = a
    sum.seen += b.seen
    sum.fired += b.fired
    sum.listed += b.listed
    sum.hits += b.hits
    sum.contribution += b.contribution
    sum.keptContribution += b.keptContribution
    sum.squaredContribution += b.squaredContribution
    sum.keptSquaredContribution += b.keptSquaredContribution
    return sum
  }
}
