/// What a device's arithmetic units and memory can do beyond 32-bit numbers. A kernel lists what it needs
/// (``ShaderDescription/features``); everything listed here is switched on when a device that has it is opened.
public struct GPUFeatures: OptionSet, Sendable, Hashable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// 16-bit values can be loaded from and stored to buffers.
  public static let storage16 = GPUFeatures(rawValue: 1 << 0)
  /// 8-bit values can be loaded from and stored to buffers.
  public static let storage8 = GPUFeatures(rawValue: 1 << 1)
  /// Arithmetic in 16-bit floating point.
  public static let float16 = GPUFeatures(rawValue: 1 << 2)
  /// 8-bit integers as values in a kernel.
  public static let int8 = GPUFeatures(rawValue: 1 << 3)
  /// 16-bit integers as values in a kernel.
  public static let int16 = GPUFeatures(rawValue: 1 << 4)
  /// 64-bit integers as values in a kernel.
  public static let int64 = GPUFeatures(rawValue: 1 << 5)
  /// The dot product of four packed 8-bit integers is an instruction of the kernel language.
  public static let dot8 = GPUFeatures(rawValue: 1 << 6)
  /// ... and of the hardware, too: where this is missing, `dot8` is emulated.
  public static let fastDot8 = GPUFeatures(rawValue: 1 << 7)
  /// Sums, maxima and prefix sums over the lanes of a subgroup.
  public static let subgroupArithmetic = GPUFeatures(rawValue: 1 << 8)
  /// Lanes of a subgroup vote and count votes.
  public static let subgroupBallot = GPUFeatures(rawValue: 1 << 9)
  /// Lanes of a subgroup read each other's values.
  public static let subgroupShuffle = GPUFeatures(rawValue: 1 << 10)
  /// Kernels written for the formal memory model.
  public static let memoryModel = GPUFeatures(rawValue: 1 << 11)

  /// One name for each feature in the set, in the order of the bits.
  public var names: [String] {
    GPUFeatures.table.filter { contains($0.0) }.map(\.1)
  }

  private static let table: [(GPUFeatures, String)] = [
    (.storage16, "16-bit storage"), (.storage8, "8-bit storage"), (.float16, "16-bit floating point"),
    (.int8, "8-bit integers"), (.int16, "16-bit integers"), (.int64, "64-bit integers"),
    (.dot8, "8-bit dot product"), (.fastDot8, "8-bit dot product in hardware"),
    (.subgroupArithmetic, "subgroup arithmetic"), (.subgroupBallot, "subgroup ballots"),
    (.subgroupShuffle, "subgroup shuffles"), (.memoryModel, "memory model"),
  ]
}
