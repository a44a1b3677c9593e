import Foundation
import Testing

@testable import Kernels

/// Norms, gates, rotation and softmax of every instruction set, against double precision.
struct FloatTests {
  /// Relative error of a value made from one exponential (about 2 units in the last place) and a few roundings.
  static let relativeLimit = 1e-6
  static let sizes = [1, 2, 3, 7, 15, 16, 17, 31, 33, 64, 100, 576]

  @Test(arguments: Kernels.all.map(\.instructionSet))
  func rmsNorm(_ set: InstructionSet) throws {
    let kernels = try #require(Kernels(set))
    for n in Self.sizes {
      var generator = SeededGenerator(UInt64(n))
      let x = generator.normals(n)
      let weight = generator.normals(n)
      var y = [Float](repeating: 0, count: n)
      kernels.rmsNorm(x, weight: weight, epsilon: 1e-5, count: n, into: &y)
      let mean = x.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(n)
      for i in 0..<n {
        let expected = Double(x[i]) / (mean + 1e-5).squareRoot() * Double(weight[i])
        #expect(abs(Double(y[i]) - expected) <= Self.relativeLimit * abs(expected))
      }
      var inPlace = x
      inPlace.withUnsafeMutableBufferPointer {
        let base = $0.baseAddress!
        kernels.rmsNorm(base, weight: weight, epsilon: 1e-5, count: n, into: base)
      }
      #expect(inPlace == y)
    }
  }

  @Test(arguments: Kernels.all.map(\.instructionSet))
  func gates(_ set: InstructionSet) throws {
    let kernels = try #require(Kernels(set))
    for n in Self.sizes {
      var generator = SeededGenerator(UInt64(n))
      let gate = generator.normals(n).map { $0 * 12 }
      let up = generator.normals(n)
      var silu = [Float](repeating: 9, count: n + 1)
      var relu = [Float](repeating: 9, count: n + 1)
      kernels.gateSiLU(gate, up: up, into: &silu, count: n)
      kernels.gateReLU(gate, up: up, into: &relu, count: n)
      for i in 0..<n {
        let expected = Double(gate[i]) / (1 + exp(-Double(gate[i]))) * Double(up[i])
        #expect(abs(Double(silu[i]) - expected) <= Self.relativeLimit * abs(expected))
        #expect(relu[i] == (gate[i] > 0 ? gate[i] * up[i] : 0))
      }
      #expect(silu[n] == 9 && relu[n] == 9)
    }
    let edges: [Float] = [.infinity, -200, -100, 200, 0, .nan, -88.5, denormal]
    var y = [Float](repeating: 9, count: 8)
    kernels.gateSiLU(edges, up: [Float](repeating: 1, count: 8), into: &y, count: 8)
    #expect(y[0] == .infinity && abs(y[1]) < 1e-37 && abs(y[2]) < 1e-37 && y[3] == 200 && y[4] == 0 && y[5].isNaN)
    #expect(abs(y[6]) < 1e-36 && abs(y[7]) <= denormal)
    kernels.gateReLU(edges, up: [Float](repeating: 1, count: 8), into: &y, count: 8)
    #expect(y[0] == .infinity && y[1] == 0 && y[3] == 200 && y[5].isNaN)
  }

  @Test(arguments: Kernels.all.map(\.instructionSet))
  func adds(_ set: InstructionSet) throws {
    let kernels = try #require(Kernels(set))
    for n in Self.sizes {
      var generator = SeededGenerator(UInt64(n))
      let x = generator.normals(n)
      let start = generator.normals(n)
      var y = start
      kernels.add(x, to: &y, count: n)
      #expect(y == zip(x, start).map { $0 + $1 })
    }
  }

  /// Against multiplication of complex numbers.
  @Test(arguments: Kernels.all.map(\.instructionSet))
  func rotates(_ set: InstructionSet) throws {
    let kernels = try #require(Kernels(set))
    for (heads, size, rotary) in [(1, 2, 2), (3, 64, 64), (2, 80, 32), (9, 6, 4)] {
      var generator = SeededGenerator(UInt64(size))
      let x = generator.normals(heads * size)
      let angles = (0..<rotary / 2).map { Double($0) * 0.37 + 0.1 }
      var y = x
      kernels.rotate(
        &y, heads: heads, headSize: size, rotaryDimensions: rotary, cosines: angles.map { Float(cos($0)) },
        sines: angles.map { Float(sin($0)) })
      for head in 0..<heads {
        for j in 0..<size {
          let at = head * size + j
          guard j < rotary else {
            #expect(y[at] == x[at])
            continue
          }
          let (re, im) = (Double(x[at & ~1]), Double(x[at | 1]))
          let (c, s) = (cos(angles[j / 2]), sin(angles[j / 2]))
          #expect(abs(Double(y[at]) - (j % 2 == 0 ? re * c - im * s : re * s + im * c)) < 1e-6)
        }
      }
    }
  }

  @Test(arguments: Kernels.all.map(\.instructionSet))
  func softmax(_ set: InstructionSet) throws {
    let kernels = try #require(Kernels(set))
    for n in Self.sizes {
      for (scale, shift) in [(Float(3), Float(0)), (40, -1000), (0.01, 1e6)] {
        var generator = SeededGenerator(UInt64(n))
        let x = generator.normals(n).map { $0 * scale + shift }
        var y = x
        kernels.softmax(&y, count: n)
        let top = Double(x.max() ?? 0)
        let weights = x.map { exp(Double($0) - top) }
        let sum = weights.reduce(0, +)
        for i in 0..<n {
          #expect(abs(Double(y[i]) - weights[i] / sum) <= 3e-6 * weights[i] / sum + 1e-38, "\(n) \(scale)")
        }
      }
    }
    var masked: [Float] = [-.infinity, 1, -.infinity, 1, -.infinity]
    kernels.softmax(&masked, count: 5)
    #expect(masked == [0, 0.5, 0, 0.5, 0])
    var broken: [Float] = [1, .nan, 2]
    kernels.softmax(&broken, count: 3)
    #expect(broken.allSatisfy { $0.isNaN })
  }
}
