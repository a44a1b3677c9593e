import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes

/// Watches a connection: tells when its client goes, closes it when nobody asks for anything, lets no client stall an answer for ever, and
/// keeps silent streams open.
final class ConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  struct Limits: Sendable {
    var bodyLimit: Int
    var writeTimeout: TimeAmount
    /// Until a connection without a request is closed. A request under way has limits of its own, and gets a reply.
    var idleTimeout: TimeAmount
    var keepAliveInterval: TimeAmount
    /// For a client to read the last reply of a connection while it may still be sending.
    let lingering = TimeAmount.seconds(5)
  }

  private let connections: Connections
  private let limits: Limits
  /// Closes the connection, unless something comes first.
  private var end: Scheduled<Void>?
  private var stall: Scheduled<Void>?
  private var keepAlive: Scheduled<Void>?
  /// Requests that have no complete reply.
  private var unanswered = 0
  /// Whether a reply said that it is the connection's last.
  private var isLast = false
  private var lastWrite = NIODeadline.now()

  init(_ connections: Connections, _ limits: Limits) {
    self.connections = connections
    self.limits = limits
  }

  // MARK: The client's coming and going

  func handlerAdded(context: ChannelHandlerContext) {
    connections.didOpen(context.channel)
    scheduleClose(context, in: limits.idleTimeout)
  }

  func handlerRemoved(context: ChannelHandlerContext) { close(context) }

  func channelInactive(context: ChannelHandlerContext) {
    close(context)
    context.fireChannelInactive()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed? = event as? ChannelEvent { connections.didEnd(context.channel) }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    connections.didEnd(context.channel)
    if error as? HTTPParserError == .headerOverflow, unanswered == 0, !isLast { return refuseHead(context) }
    context.fireErrorCaught(error)
  }

  /// Says that a request's head is too large; of what else is wrong with one, the server behind takes care.
  private func refuseHead(_ context: ChannelHandlerContext) {
    let text = """
      {"error":{"code":431,"message":"The request's head is too large: expected at most \(Self.headLimits.bytes) bytes and \
      \(Self.headLimits.fields) fields, of \(Self.headLimits.fieldBytes) bytes each.","type":"invalid_request_error"}}
      """
    let body = ByteBuffer(string: text)
    isLast = true
    let head = HTTPResponse(
      status: .requestHeaderFieldsTooLarge,
      headerFields: [
        .connection: "close", .contentType: "application/json; charset=utf-8",
        .contentLength: String(body.readableBytes),
      ])
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.write(wrapOutboundOut(.body(body)), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    cancelClose()
    scheduleClose(context, in: limits.lingering)
  }

  /// Of a request's head.
  static let headLimits = (bytes: 64 << 10, fields: 200, fieldBytes: 16 << 10)

  private func close(_ context: ChannelHandlerContext) {
    cancelClose()
    stall?.cancel()
    keepAlive?.cancel()
    (stall, keepAlive) = (nil, nil)
    connections.didClose(context.channel)
  }

  // MARK: Requests

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if case .head(let head) = unwrapInboundIn(data) {
      unanswered += 1
      if !isLast { cancelClose() }
      if head.headerFields[.expect]?.lowercased() == "100-continue",
        head.headerFields[.contentLength].flatMap({ Int($0) }) ?? 0 <= limits.bodyLimit
      {
        context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
      }
    }
    context.fireChannelRead(data)
  }

  private func scheduleClose(_ context: ChannelHandlerContext, in time: TimeAmount) {
    guard end == nil else { return }
    end = context.eventLoop.assumeIsolated().scheduleTask(in: time) { context.close(promise: nil) }
  }

  private func cancelClose() {
    end?.cancel()
    end = nil
  }

  // MARK: Clients that do not read

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable {
      stall?.cancel()
      stall = nil
    } else if stall == nil {
      stall = context.eventLoop.assumeIsolated().scheduleTask(in: limits.writeTimeout) {
        context.close(promise: nil)
      }
    }
    context.fireChannelWritabilityChanged()
  }

  // MARK: Streams in which nothing happens

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .head(let head):
      if head.headerFields[.connection]?.lowercased() == "close" { isLast = true }
      if head.headerFields[.contentType]?.hasPrefix("text/event-stream") == true { scheduleKeepAlive(context) }
    case .body: break
    case .end:
      keepAlive?.cancel()
      keepAlive = nil
      unanswered -= 1
      if isLast {
        scheduleClose(context, in: limits.lingering)
      } else if unanswered == 0 {
        scheduleClose(context, in: limits.idleTimeout)
      }
    }
    lastWrite = .now()
    context.write(data, promise: promise)
  }

  private func scheduleKeepAlive(_ context: ChannelHandlerContext) {
    let interval = limits.keepAliveInterval
    keepAlive = context.eventLoop.assumeIsolated().scheduleTask(in: interval) { [self] in
      keepAlive = nil
      guard context.channel.isActive else { return }
      if NIODeadline.now() - lastWrite >= interval, context.channel.isWritable {
        lastWrite = .now()
        // Whole events are written at a time, so that a comment never comes between the parts of one.
        context.writeAndFlush(wrapOutboundOut(.body(ByteBuffer(string: ": keep-alive\n\n"))), promise: nil)
      }
      scheduleKeepAlive(context)
    }
  }
}
