#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A thread of our own: starts at once, ends when its body returns. Everything that differs between systems is here.
struct SystemThread: @unchecked Sendable {
  private let handle: pthread_t

  /// - Returns: nil when the system refuses another thread.
  init?(_ body: @escaping @Sendable () -> Void) {
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
    self.handle = handle
  }

  /// Waits for the end of the body.
  func join() {
    pthread_join(handle, nil)
  }

  var id: UInt { Self.number(handle) }

  /// Lets another thread run on this processor, if one wants to.
  static func yield() { sched_yield() }

  /// Tells threads apart while they live.
  static var currentID: UInt { number(pthread_self()) }

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

/// A mutex with a condition, at fixed addresses.
final class Monitor: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>

  init() {
    mutex = .allocate(capacity: 1)
    condition = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    condition.initialize(to: pthread_cond_t())
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func lock() { pthread_mutex_lock(mutex) }
  func unlock() { pthread_mutex_unlock(mutex) }
  /// Call with the lock held; may wake for no reason.
  func wait() { pthread_cond_wait(condition, mutex) }
  func wakeAll() { pthread_cond_broadcast(condition) }
}
