public import PowerInferGPU

/// How a model is divided between a GPU and the processor.
public struct HybridOptions: Sendable, Equatable {
  /// Where the lists of hot neurons come from.
  public enum Neurons: Sendable, Equatable {
    /// `MODEL.generated.gpuidx`, if it is there; else how often neurons fire, as far as that is known.
    case automatic
    /// How often neurons fire, even where there is an index.
    case byFrequency
    /// No layer is divided: the processor computes all neurons of layers that are not wholly on the GPU.
    case none
  }

  /// Most bytes of the GPU's memory that are taken, everything counted.
  public var budget = GPUBudget.automatic
  /// Layers that are wholly on the GPU, the last ones, the other layers being the processor's; one more than there are adds the output
  /// matrix. `nil` divides by what the budget has room for.
  public var layers: Int?
  public var neurons = Neurons.automatic

  public init() {}

  /// Whether something else than the default was asked for.
  var isAsked: Bool { self != HybridOptions() }
}
