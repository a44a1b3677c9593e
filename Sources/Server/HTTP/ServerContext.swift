import Logging
import Hummingbird
import NIOCore

/// What is known of a request beside the request itself.
struct ServerContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  /// The connection it came on.
  let channel: any Channel
  /// Tells it apart from others, in the log and in the reply.
  let requestID = Names.new("req_")

  init(source: ApplicationRequestContextSource) {
    coreContext = CoreRequestContextStorage(source: source)
    channel = source.channel
    logger[metadataKey: "request_id"] = "\(requestID)"
  }

  /// Writes a prompt into the log, which has none unless somebody asks for them.
  func note(prompt: String) { logger.info("prompt", metadata: ["text": "\(prompt)"]) }
}
