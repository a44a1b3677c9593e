#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A thread of our own: starts at once, ends when its body returns.
public struct SystemThread: Sendable {
  /// Tells this thread apart from others while it lives.
  public let id: UInt

  /// - Returns: nil when the system refuses another thread.
  public init?(_ body: @escaping @Sendable () -> Void) {
    let context = Unmanaged.passRetained(Box(body)).toOpaque()
    #if canImport(Darwin)
      var handle: pthread_t?
      let status = pthread_create(&handle, nil, { SystemThread.start($0) }, context)
    #else
      var handle = pthread_t()
      let status = pthread_create(&handle, nil, { SystemThread.start($0) }, context)
    #endif
    guard status == 0 else {
      Unmanaged<Box>.fromOpaque(context).release()
      return nil
    }
    #if canImport(Darwin)
      guard let handle else { return nil }
    #endif
    id = Self.number(handle)
  }

  /// Waits for the end of the body.
  public func join() {
    guard let handle else { return }
    pthread_join(handle, nil)
  }

  /// Lets the thread go: it ends by itself, and nobody may wait for it any more.
  public func detach() {
    guard let handle else { return }
    pthread_detach(handle)
  }

  private var handle: pthread_t? {
    #if canImport(Darwin)
      pthread_t(bitPattern: id)
    #else
      pthread_t(id)
    #endif
  }

  /// Lets another thread run on this processor, if one wants to.
  public static func yield() { sched_yield() }

  /// The ``id`` of the thread that asks.
  public static var currentID: UInt { number(pthread_self()) }

  private static func number(_ handle: pthread_t) -> UInt {
    #if canImport(Darwin)
      UInt(bitPattern: handle)
    #else
      UInt(handle)
    #endif
  }

  private final class Box {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  private static func start(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let context {
      Unmanaged<Box>.fromOpaque(context).takeRetainedValue().body()
    }
    return nil
  }
}
