import PowerInferTestKit
import Testing

@testable import PowerInferKernels

/// The loops that measure memory, against their definitions.
struct StreamTests {
  @Test(arguments: Kernels.all.map(\.instructionSet))
  func sumsEveryWordOnce(_ set: InstructionSet) throws {
    let kernels = try #require(Kernels(set))
    for lines in [0, 1, 2, 3, 4, 5, 7, 8, 63, 1000] {
      var generator = SeededGenerator(seed: UInt64(lines))
      var words = (0..<lines * 8).map { _ in generator.next() }
      func sum() -> UInt64 { words.withUnsafeBytes { $0.baseAddress.map { kernels.sumLines($0, count: lines) } ?? 0 } }
      #expect(sum() == words.reduce(0, &+))
      // Any one word changes the sum by itself.
      for index in stride(from: 0, to: words.count, by: 13) {
        let before = sum()
        words[index] &+= 1 << UInt64(index % 64)
        #expect(sum() == before &+ 1 << UInt64(index % 64))
      }
    }
  }

  @Test(arguments: Kernels.all.map(\.instructionSet))
  func triads(_ set: InstructionSet) throws {
    let kernels = try #require(Kernels(set))
    for n in [0, 1, 15, 16, 17, 100] {
      var generator = SeededGenerator(seed: UInt64(n))
      let (a, b) = (generator.normals(n), generator.normals(n))
      var y = [Float](repeating: 9, count: n + 1)
      kernels.triad(a, b, factor: 3, count: n, into: &y)
      for i in 0..<n {
        // Fused or not: at most two roundings.
        #expect(abs(Double(y[i]) - (Double(a[i]) + 3 * Double(b[i]))) <= 1e-6 * (1 + 3 * abs(Double(b[i]))))
      }
      #expect(y[n] == 9)
    }
  }
}
