/// How a device is opened.
public struct GPUOptions: Sendable {
  /// How the host waits for the device.
  public enum Waiting: Sendable, Equatable {
    /// Gives the processor away at once.
    case blocking
    /// Asks again and again for a while, then gives the processor away: saves the time to be woken.
    case spinning(Duration)
    /// `blocking` on software devices, which need the processor themselves, else `spinning` for 50 µs.
    case automatic
  }

  /// Bytes of the device's memory to take at most; nil means what was free when it was opened, or nine tenths of all where
  /// the driver does not say.
  public var deviceBudget: Int?
  /// Bytes of host memory to take at most that the device can reach.
  public var hostBudget: Int
  /// Bytes that are taken from the driver at a time, to be cut into buffers. Larger buffers get memory of their own.
  public var blockBytes: Int
  /// Bytes of one of the two staging buffers, which are made when an upload first needs them.
  public var stagingBytes: Int
  /// Uploads go through staging buffers even where the host could write directly. For tests, on devices with one kind of
  /// memory.
  public var forcesStaging: Bool
  /// How long to wait for the device at most before it is given up; nil means a minute, and ten for software devices, which
  /// compute for minutes where a card takes a second.
  public var waitLimit: Duration?
  public var waiting: Waiting
  /// Folder that keeps compiled kernels between runs of the program; nil keeps none.
  public var cacheFolder: String?
  /// Whether validation layers watch every call, if they are installed. Slow.
  public var validates: Bool

  public init(
    deviceBudget: Int? = nil, hostBudget: Int = 1 << 30, blockBytes: Int = 64 << 20, stagingBytes: Int = 8 << 20,
    forcesStaging: Bool = false, waitLimit: Duration? = nil, waiting: Waiting = .automatic,
    cacheFolder: String? = nil, validates: Bool = false
  ) {
    self.deviceBudget = deviceBudget
    self.hostBudget = hostBudget
    self.blockBytes = blockBytes
    self.stagingBytes = stagingBytes
    self.forcesStaging = forcesStaging
    self.waitLimit = waitLimit
    self.waiting = waiting
    self.cacheFolder = cacheFolder
    self.validates = validates
  }
}
