import Hummingbird
import PowerInfer

/// What all routes share.
final class Service: Sendable {
  let options: ServerOptions
  let library: ModelLibrary
  let connections = Connections()
  let metrics = ServerMetrics()
  let work = Work()
  let body: BodyReader
  let embeddings = EmbeddingQueue()
  let activity = ActivityFeed()

  init(options: ServerOptions, library: ModelLibrary) {
    self.options = options
    self.library = library
    body = BodyReader(limit: options.bodyLimit, timeout: options.readTimeout)
  }

  /// A request within the server's limits.
  func limited(_ request: GenerationRequest) -> GenerationRequest {
    guard let most = options.tokenLimit else { return request }
    var request = request
    request.options.maxTokens = min(request.options.maxTokens ?? most, most)
    return request
  }

  /// A request with the server's defaults and what a client asks for.
  ///
  /// - Parameters:
  ///   - prompt: what to go on from.
  ///   - sampling: what the client says of sampling.
  ///   - maxTokens: the most tokens that the client wants.
  ///   - stop: what ends the answer.
  ///   - model: whose vocabulary it is.
  /// - Throws: ``APIError`` for what is out of range.
  func request(
    _ prompt: GenerationRequest.Prompt, _ sampling: SamplingFields, maxTokens: Int?, stop: StopField?,
    model: ServedModel
  ) throws -> GenerationRequest {
    var request = GenerationRequest(prompt)
    request.sampling = try sampling.applied(to: options.sampling, vocabularySize: model.vocabularySize)
    request.options.maxTokens = maxTokens
    request.options.stopStrings = stop?.texts ?? []
    request.options.ignoreEndOfGeneration = sampling.ignore_eos ?? options.ignoresEnd
    return request
  }
}

extension GenerationRequest {
  /// The same request so many times, each with random numbers of its own.
  func copies(_ count: Int) -> [GenerationRequest] {
    (0..<count).map { index in
      var copy = self
      copy.sampling.seed = sampling.seed.map { $0 &+ UInt64(index) }
      return copy
    }
  }
}
