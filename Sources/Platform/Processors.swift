#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// How many processors this process may really use.
public enum Processors {
  /// Threads for compute-bound work: the physical cores this process may run on, or fewer when a container's quota
  /// grants less. A quota of a fraction of a processor counts as one.
  public static var recommended: Int {
    let cores = physicalCores
    guard let quota else { return cores }
    return max(1, min(cores, Int(quota.rounded(.up))))
  }

  /// Logical processors this process may run on (its CPU mask).
  public static var available: Int { max(1, mask.count) }

  /// Physical cores among those of the CPU mask: siblings of one core count once.
  public static var physicalCores: Int {
    #if os(Linux)
      return CoreTopology(root: "").cores(among: mask)
    #else
      var count: Int32 = 0
      var size = MemoryLayout<Int32>.size
      guard sysctlbyname("hw.physicalcpu", &count, &size, nil, 0) == 0, count > 0 else { return available }
      return Int(count)
    #endif
  }

  /// The processors' worth of time a container grants; nil where it grants all.
  public static var quota: Double? {
    #if os(Linux)
      return ContainerLimits(root: "").processors
    #else
      return nil
    #endif
  }

  /// Bytes of the last level of cache, of all its instances that serve the CPU mask; nil where the system does not tell.
  public static var lastLevelCacheBytes: Int? {
    #if os(Linux)
      return CacheTopology(root: "").lastLevelBytes(among: mask)
    #else
      for name in ["hw.l3cachesize", "hw.perflevel0.l2cachesize", "hw.l2cachesize"] {
        var bytes: Int64 = 0
        var size = MemoryLayout<Int64>.size
        if sysctlbyname(name, &bytes, &size, nil, 0) == 0, bytes > 0 { return Int(bytes) }
      }
      return nil
    #endif
  }

  /// What the processor calls itself, such as "AMD EPYC"; nil where it does not say.
  public static var name: String? {
    #if os(Linux)
      return CoreTopology(root: "").processorName
    #else
      var size = 0
      guard sysctlbyname("machdep.cpu.brand_string", nil, &size, nil, 0) == 0, size > 1 else { return nil }
      var bytes = [UInt8](repeating: 0, count: size)
      guard sysctlbyname("machdep.cpu.brand_string", &bytes, &size, nil, 0) == 0 else { return nil }
      return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    #endif
  }

  /// The numbers of the logical processors this process may run on, ascending.
  public static var mask: [Int] {
    #if os(Linux)
      if let allowed = CoreTopology(root: "").allowed { return allowed }
    #endif
    return Array(0..<max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))))
  }
}
