import ArgumentParser
import PowerInferGPU

/// Whether activation sources are compared.
struct ComparisonFlags: ParsableArguments {
  @Flag(
    help: ArgumentHelp(
      "Compare all activation sources that the model has (dense, gate, bits, predictor, threshold) on the text: speed of decoding, "
        + "neurons that fire and that are computed, how many of the first are among the second (recall), how much of their "
        + "contribution is kept, perplexity."))
  var compare = false

  @Flag(help: "With --compare: the figures of every layer, too.")
  var perLayer = false

  func validate() throws {
    if perLayer, !compare { throw ValidationError("The option --per-layer needs --compare.") }
  }

  /// - Throws: `ValidationError` where a source was asked for by name, or a GPU.
  func check(_ sparsity: SparsityFlags, _ gpu: GPUFlag) throws {
    if compare, let name = gpu.gpu, GPUChoice(name).isExplicit {
      throw ValidationError("Give either --gpu or --compare, which looks at the neurons of the processor.")
    }
    if compare, sparsity.sparsity != nil {
      throw ValidationError("Give either --sparsity or --compare, which takes every source in turn.")
    }
  }
}
