/// A compiled kernel and what its host needs to know to run it.
public struct ShaderDescription: Sendable {
  /// What a kernel does with the buffer of one binding.
  public enum Access: Sendable, Equatable {
    case reads
    /// Writes, and perhaps reads too.
    case writes
  }

  /// A number chosen when the kernel is made for a device, not when it is compiled here.
  public struct Constant: Sendable, Equatable {
    public var name: String
    /// By which the code names it.
    public var id: UInt32

    public init(name: String, id: UInt32) {
      self.name = name
      self.id = id
    }
  }

  /// Unique among kernels.
  public var name: String
  /// SPIR-V.
  public var words: [UInt32]
  /// The function to run.
  public var entryPoint: String
  /// Bindings 0, 1, ... of set 0, all of them storage buffers.
  public var bindings: [Access]
  /// Size of the block of constants that travels with a dispatch; 0 where there is none.
  public var constantBytes: Int
  /// In the order in which ``GPUDevice/kernel(_:specialization:)`` takes their values.
  public var specialization: [Constant]
  /// What the device must be able to do.
  public var features: GPUFeatures

  public init(
    name: String, words: [UInt32], entryPoint: String = "main", bindings: [Access], constantBytes: Int = 0,
    specialization: [Constant] = [], features: GPUFeatures = []
  ) {
    self.name = name
    self.words = words
    self.entryPoint = entryPoint
    self.bindings = bindings
    self.constantBytes = constantBytes
    self.specialization = specialization
    self.features = features
  }
}
