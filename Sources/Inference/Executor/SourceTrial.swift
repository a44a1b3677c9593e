import Dispatch
import PowerInferSparsity

/// Finds the fastest activation source of each layer by decoding with one after the other.
///
/// The sources of a layer give the same bits, so that nobody can tell from the results when the trial takes place. Some tokens
/// go by first, in which weights are touched for the first time. Then the sources take turns, token by token, and a layer keeps
/// the one whose median time is least.
final class SourceTrial {
  /// Tokens before anything is measured.
  static let warmUp = 2
  /// Measurements of every source.
  static let turns = 5

  /// What every layer computes next.
  private(set) var current: [ActivationSource]
  /// Median nanoseconds per layer and source; empty before the trial is over, and for layers with one source.
  private(set) var medians: [[UInt64]] = []

  private let candidates: [[ActivationSource]]
  private let most: Int
  private var token = 0
  private var times: [[[UInt64]]]  // [layer][source], nanoseconds
  private let now: () -> UInt64

  init(_ candidates: [[ActivationSource]], now: @escaping () -> UInt64 = { DispatchTime.now().uptimeNanoseconds }) {
    self.candidates = candidates
    self.now = now
    current = candidates.map { $0.first ?? .dense }
    most = candidates.map(\.count).max() ?? 1
    times = candidates.map { $0.map { _ in [] } }
    isOver = most < 2
  }

  /// Whether every layer has its source for good.
  private(set) var isOver: Bool
  private var turn: Int { token - Self.warmUp }

  /// Median microseconds of each source; empty where none were compared.
  func medianMicroseconds(layer: Int) -> [SparsityMode: Double] {
    guard layer < medians.count else { return [:] }
    return Dictionary(
      zip(candidates[layer].map(\.mode), medians[layer].map { Double($0) / 1000 }), uniquingKeysWith: min)
  }

  /// A clock, in nanoseconds.
  func time() -> UInt64 { now() }

  /// Sets the sources of the next token.
  func begin() {
    guard !isOver else { return }
    let source = max(turn, 0) % most
    current = candidates.map { $0[min(source, $0.count - 1)] }
  }

  /// What a layer of the current token took.
  func note(layer: Int, nanoseconds: UInt64) {
    guard !isOver, turn >= 0, turn % most < candidates[layer].count else { return }
    times[layer][turn % most].append(nanoseconds)
  }

  /// The token is done.
  func end() {
    guard !isOver else { return }
    token += 1
    guard turn >= Self.turns * most else { return }
    medians = times.map { layer in
      layer.count < 2 || layer.contains(where: \.isEmpty) ? [] : layer.map { $0.sorted()[$0.count / 2] }
    }
    current = zip(candidates, medians).map { sources, medians in
      let best = medians.indices.min { medians[$0] < medians[$1] } ?? 0
      return sources[best]
    }
    isOver = true
  }
}
