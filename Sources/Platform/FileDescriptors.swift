#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// How many files and connections this process may have open.
public enum FileDescriptors {
  /// Asks for as many as the system grants without privileges.
  ///
  /// - Returns: how many there may be; 256 where the system does not say.
  @discardableResult
  public static func raiseLimit() -> Int {
    var limits = rlimit()
    #if canImport(Glibc)
      let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
      let resource = RLIMIT_NOFILE
    #endif
    guard getrlimit(resource, &limits) == 0 else { return 256 }
    // "No limit" is more than there can be.
    let most = min(limits.rlim_max, 1 << 16)
    if limits.rlim_cur < most {
      let old = limits.rlim_cur
      limits.rlim_cur = most
      if setrlimit(resource, &limits) != 0 { limits.rlim_cur = old }
    }
    return Int(clamping: limits.rlim_cur)
  }
}
