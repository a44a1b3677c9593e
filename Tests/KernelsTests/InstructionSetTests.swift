import Testing

@testable import PowerInferKernels

struct InstructionSetTests {
  @Test func portableIsAlwaysThere() {
    #expect(InstructionSet.supported.first == .portable)
    #expect(Kernels(.portable)?.instructionSet == .portable)
    #expect(InstructionSet.supported.contains(InstructionSet.active))
    #expect(Kernels.active.instructionSet == InstructionSet.active)
  }

  @Test func unknownNamesAreExplained() {
    #expect(throws: InstructionSetError.unknown("sse9")) { try InstructionSet.requested("sse9") }
    #expect(
      InstructionSetError.unknown("sse9").description
        == "Expected an instruction set out of portable, avx2, avxvnni, avx512, amx, neon, found \"sse9\".")
  }

  @Test func otherProcessorsAreRefused() throws {
    #if arch(x86_64)
      let foreign = InstructionSet.neon
    #else
      let foreign = InstructionSet.avx2
    #endif
    #expect(Kernels(foreign) == nil)
    #expect(throws: InstructionSetError.unsupported(foreign)) { try InstructionSet.requested(foreign.rawValue) }
    let names = InstructionSet.supported.map(\.rawValue).joined(separator: ", ")
    #expect(
      InstructionSetError.unsupported(foreign).description
        == "This processor lacks the instruction set \(foreign.rawValue); it has \(names).")
  }
}
