import NIOCore
import PowerInfer
import Synchronization

/// What the neurons do, for those who watch: `/v1/activity`.
final class ActivityFeed: Sendable {
  private struct State {
    var next = 0
    var watchers: [Int: AsyncStream<ByteBuffer>.Continuation] = [:]
  }

  private let state = Mutex(State())
  /// Events that wait for a slow watcher; older ones are lost to it.
  private static let waiting = 256

  /// Whether anybody watches.
  var isWatched: Bool { state.withLock { !$0.watchers.isEmpty } }

  /// Begins to watch; ends with the stream.
  ///
  /// - Parameter onEnd: called when it has ended.
  func watch(onEnd: @escaping @Sendable () -> Void) -> (events: AsyncStream<ByteBuffer>, end: @Sendable () -> Void) {
    let (stream, continuation) = AsyncStream.makeStream(
      of: ByteBuffer.self, bufferingPolicy: .bufferingNewest(Self.waiting))
    let number = state.withLock { state in
      state.next += 1
      state.watchers[state.next] = continuation
      return state.next
    }
    continuation.onTermination = { [weak self] _ in
      self?.state.withLock { $0.watchers[number] = nil }
      onEnd()
    }
    return (stream, { continuation.finish() })
  }

  /// Tells all watchers about tokens of an answer.
  ///
  /// - Parameters:
  ///   - piece: of the answer.
  ///   - meter: which piece it is, and how fast they come.
  func publish(_ piece: TextPiece, _ meter: ActivityMeter) {
    guard !piece.activity.isEmpty else { return }
    let watchers = state.withLock { Array($0.watchers.values) }
    guard !watchers.isEmpty else { return }
    var frames = Frames()
    for activity in piece.activity { try? frames.event("token", ActivityEvent(activity, meter)) }
    let buffer = frames.take()
    for watcher in watchers { watcher.yield(buffer) }
  }
}
