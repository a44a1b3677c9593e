import Foundation
import PowerInfer

/// Counts the pieces and the tokens of an answer.
struct ActivityMeter {
  /// The request's id, as its reply's header has it.
  let request: String
  /// Which of the request's answers.
  let choice: Int
  /// Pieces before the last.
  private(set) var piece = -1
  private var tokens = 0
  private let start = ContinuousClock.now

  init(request: String, choice: Int) { (self.request, self.choice) = (request, choice) }

  mutating func count(_ piece: TextPiece) {
    self.piece += 1
    tokens += piece.tokens.count
  }

  var tokensPerSecond: Double {
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    return seconds > 0 ? Double(tokens) / seconds : 0
  }
}

/// An event of `/v1/activity`.
struct ActivityEvent: Encodable {
  var id: String
  var choice: Int
  var piece: Int
  var layers: Int
  var neurons: Int
  var groups = TokenActivity.groups
  var hot_groups = TokenActivity.hotGroups
  /// Base64 of [layers, groups] bytes.
  var cells: String
  var active: Double
  var hit_rate: OrNull<Double>
  var pass_ms: Double
  var feed_forward_ms: Double
  var tokens_per_second: Double

  init(_ activity: TokenActivity, _ meter: ActivityMeter) {
    (id, choice, piece) = (meter.request, meter.choice, meter.piece)
    (layers, neurons) = (activity.layers, activity.neurons)
    cells = Data(activity.shares).base64EncodedString()
    (active, hit_rate) = (activity.firedShare, OrNull(activity.hotShare))
    (pass_ms, feed_forward_ms) = (activity.seconds * 1000, activity.feedForwardSeconds * 1000)
    tokens_per_second = meter.tokensPerSecond
  }
}
