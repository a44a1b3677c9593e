import Synchronization

#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What becomes of a mapped file that is made shorter, or cannot be read any more, while it is mapped.
///
/// By itself the system ends a process that touches a page which is gone (SIGBUS). After ``survive()`` such pages are zeros, and
/// ``MappedFile/isDamaged`` says so: who reads a file for long asks that afterwards.
public enum ShortenedFiles {
  /// The place of a mapped file in memory; no address where it is free.
  struct Place: ~Copyable {
    let start = Atomic<UInt>(0)
    let end = Atomic<UInt>(0)
    let isDamaged = Atomic<Bool>(false)
  }

  /// Files beyond these are not watched.
  static let capacity = 1024

  /// Lives as long as the process: a signal's handler may neither allocate nor wait.
  // Unguarded: all that changes in it is atomic.
  nonisolated(unsafe) static let places: UnsafeMutablePointer<Place> = {
    let places = UnsafeMutablePointer<Place>.allocate(capacity: capacity)
    for index in 0..<capacity { (places + index).initialize(to: Place()) }
    return places
  }()

  /// Notes a mapped file.
  ///
  /// - Returns: its place; nil where there is none left.
  static func add(_ bytes: UnsafeRawBufferPointer) -> Int? {
    let start = UInt(bitPattern: bytes.baseAddress)
    guard start != 0 else { return nil }
    for index in 0..<capacity {
      // Taken first, so that the flag is this file's before a fault can find the place by its end.
      guard places[index].start.compareExchange(expected: 0, desired: start, ordering: .acquiringAndReleasing).exchanged
      else { continue }
      places[index].isDamaged.store(false, ordering: .relaxed)
      places[index].end.store(start + UInt(bytes.count), ordering: .releasing)
      return index
    }
    return nil
  }

  /// Forgets it, before it is unmapped.
  static func remove(_ place: Int) {
    places[place].end.store(0, ordering: .relaxed)
    places[place].start.store(0, ordering: .releasing)
  }

  // MARK: The signal

  private static let isInstalled = Mutex(false)
  /// What SIGBUS did before.
  nonisolated(unsafe) private static var former = sigaction()
  nonisolated(unsafe) private static var pageSize: UInt = 4096

  /// Lets this process live on where a mapped file becomes shorter. For programs, not for libraries: it changes what SIGBUS does.
  public static func survive() {
    isInstalled.withLock { isInstalled in
      guard !isInstalled else { return }
      isInstalled = true
      _ = places
      pageSize = UInt(max(1, sysconf(Int32(_SC_PAGESIZE))))
      var action = sigaction()
      let handler: @convention(c) (Int32, UnsafeMutablePointer<siginfo_t>?, UnsafeMutableRawPointer?) -> Void = {
        _, information, _ in
        let code = errno
        defer { errno = code }
        if let address = ShortenedFiles.address(information), ShortenedFiles.fill(address) { return }
        // Not ours: it comes again when this returns, and does what it did before.
        sigaction(SIGBUS, &ShortenedFiles.former, nil)
      }
      #if canImport(Darwin)
        action.__sigaction_u.__sa_sigaction = handler
      #elseif canImport(Musl)
        action.__sa_handler.sa_sigaction = handler
      #else
        action.__sigaction_handler.sa_sigaction = handler
      #endif
      action.sa_flags = Int32(SA_SIGINFO) | Int32(SA_ONSTACK)
      sigemptyset(&action.sa_mask)
      sigaction(SIGBUS, &action, &former)
    }
  }

  private static func address(_ information: UnsafeMutablePointer<siginfo_t>?) -> UInt? {
    #if canImport(Darwin)
      information.map { UInt(bitPattern: $0.pointee.si_addr) }
    #elseif canImport(Musl)
      information.map { UInt(bitPattern: $0.pointee.__si_fields.__sigfault.si_addr) }
    #else
      information.map { UInt(bitPattern: $0.pointee._sifields._sigfault.si_addr) }
    #endif
  }

  /// Puts zeros from a page on to the end of the file that it belongs to: where one page is gone, so are those behind it.
  ///
  /// - Returns: whether it belongs to one, and the system gave the zeros.
  private static func fill(_ address: UInt) -> Bool {
    for index in 0..<capacity {
      let end = places[index].end.load(ordering: .acquiring)
      guard address < end, address >= places[index].start.load(ordering: .relaxed) else { continue }
      places[index].isDamaged.store(true, ordering: .releasing)
      let start = address / pageSize * pageSize
      let filled = mmap(
        UnsafeMutableRawPointer(bitPattern: start), Int(end - start), PROT_READ, MAP_PRIVATE | MAP_ANON | MAP_FIXED, -1,
        0)
      return filled != MAP_FAILED
    }
    return false
  }
}
