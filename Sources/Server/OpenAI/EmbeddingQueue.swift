import Dispatch
import NIOCore
import PowerInfer
import Synchronization

/// Makes embeddings on a thread of its own, one after the other: each takes turns with the answers.
final class EmbeddingQueue: Sendable {
  private let queue = DispatchQueue(label: "powerinfer.embeddings")
  /// Requests that have not ended.
  private let count = Mutex(0)

  /// A vector for each text; see `Engine.embedding(of:pooling:)`.
  ///
  /// - Parameters:
  ///   - texts: the tokens of each.
  ///   - pooling: how they become vectors.
  ///   - engine: what makes them.
  ///   - connections: knows when the client has gone.
  ///   - channel: the client's.
  /// - Throws: ``APIError`` where too many wait; `CancellationError` where the client has gone; what the engine throws.
  func embeddings(
    of texts: [[Int32]], pooling: EmbeddingPooling, by engine: Engine, _ connections: Connections,
    on channel: any Channel
  ) async throws -> [[Float]] {
    let limit = engine.scheduling.queueLimit
    try count.withLock { count in
      guard count <= limit else { throw APIError(GenerationError.queueFull(limit: limit)) }
      count += 1
    }
    defer { count.withLock { $0 -= 1 } }
    let gone = CancellationFlag()
    let watch = connections.watch(channel) { gone.raise() }
    defer { connections.end(watch) }
    return try await withCheckedThrowingContinuation { continuation in
      queue.async {
        continuation.resume(
          with: Result {
            try texts.map { tokens in
              if gone.isRaised { throw CancellationError() }
              return try engine.embedding(of: tokens, pooling: pooling)
            }
          })
      }
    }
  }
}
