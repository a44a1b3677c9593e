import PowerInferGPU
import Testing

struct KernelTableTests {
  @Test func hasEveryName() {
    for name in ShaderName.allCases {
      #expect(ShaderDescription.compiledNames.contains(name.rawValue), "\(name)")
    }
  }

  @Test func hasNoNameTwice() {
    #expect(Set(ShaderDescription.compiledNames).count == ShaderDescription.compiledNames.count)
  }

  /// Constants that are made here must be as large as what the kernels read.
  @Test func constantsAreAsLargeAsTheKernelsHaveThem() throws {
    func check<Constants>(_ name: ShaderName, _ type: Constants.Type) {
      #expect(name.shader(for: .dot8).constantBytes == MemoryLayout<Constants>.size, "\(name)")
    }
    check(.matvec, MatVecConstants.self)
    check(.matvecListed, MatVecListedConstants.self)
    check(.gateup, GateUpConstants.self)
    check(.gateupListed, GateUpConstants.self)
    check(.norm, NormConstants.self)
    check(.quantize, QuantizeConstants.self)
    check(.embed, EmbedConstants.self)
    check(.rotate, RotateConstants.self)
    check(.attention, AttentionConstants.self)
    check(.attentionMerge, AttentionMergeConstants.self)
    check(.down, DownConstants.self)
    check(.activate, ActivateConstants.self)
    check(.gather, GatherConstants.self)
    check(.compact, CompactConstants.self)
    #expect(ShaderName.tally.shader(for: .dot8).constantBytes == 0)
    check(.matmat, MatVecConstants.self)
    check(.matmatNeurons, MatMatNeuronsConstants.self)
    check(.penalize, LogitsConstants.self)
    check(.likeliest, LogitsConstants.self)
    check(.candidates, CandidatesConstants.self)
  }

  /// A device without the dot product of packed bytes gets kernels that need nothing.
  @Test func plainTwinsNeedNothing() {
    for name in ShaderName.allCases {
      #expect(name.shader(for: []).features == [], "\(name)")
      #expect(name.shader(for: []).bindings == name.shader(for: .dot8).bindings, "\(name)")
      #expect(name.shader(for: .dot8).features.subtracting(.dot8) == [], "\(name)")
    }
  }
}
