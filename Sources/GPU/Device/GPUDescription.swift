/// A device as its driver describes it. Describing starts nothing on it.
public struct GPUDescription: Sendable {
  /// What kind of device it is.
  public enum Kind: String, Sendable {
    /// A card with memory of its own.
    case discrete
    /// It shares the processor's memory: uploads are plain copies.
    case integrated
    /// A GPU of a host, lent to a virtual machine.
    case virtual
    /// The processor itself, through a driver that compiles kernels for it. Good for tests.
    case software
    case other
  }

  /// Bytes of the memory that kernels read fastest.
  public struct Memory: Sendable, Equatable {
    /// All there is.
    public var total: Int
    /// What this process may expect to get at the moment; nil where the driver does not say.
    public var free: Int?
  }

  /// What one buffer, binding, dispatch or workgroup may be at most.
  public struct Limits: Sendable, Equatable {
    /// Bytes that a kernel can see through one binding. Larger weights are bound in slices of whole rows.
    public var bindingBytes: Int
    /// Bytes of one buffer.
    public var bufferBytes: Int
    /// The offset of a binding in its buffer is a multiple of this; a power of two.
    public var bindingAlignment: Int
    /// Buffers that one kernel can bind.
    public var bindings: Int
    /// Bytes of constants that one dispatch can carry.
    public var constantBytes: Int
    /// Bytes of memory shared by a workgroup.
    public var sharedBytes: Int
    /// Invocations of one workgroup.
    public var workgroupInvocations: Int
    /// Workgroups of one dispatch.
    public var grid: GPUGrid
    /// Separate allocations of memory.
    public var allocations: Int
  }

  /// Its place in the list of devices, by which the user names it.
  public var index: Int
  /// As the driver calls it.
  public var name: String
  public var kind: Kind
  public var memory: Memory
  public var limits: Limits
  public var features: GPUFeatures
  /// How many lanes run in step. Kernels assume no width.
  public var subgroupWidths: ClosedRange<Int>
  /// Nanoseconds a tick of the device's clock takes; nil where it has none.
  public var nanosecondsPerTick: Double?
  /// The driver's name and version, in its own words.
  public var driver: String
  /// Why nothing can be computed on it, as a clause; nil where it can.
  public var unsuited: String?

  /// The device's and its driver's identity, for a cache of compiled kernels: changes when either does.
  public var identity: [UInt8]
}

/// How many workgroups a dispatch runs, in three directions.
public struct GPUGrid: Sendable, Equatable {
  public var x: Int
  public var y: Int
  public var z: Int

  public init(_ x: Int, _ y: Int = 1, _ z: Int = 1) {
    self.x = x
    self.y = y
    self.z = z
  }
}
