import Foundation
import PowerInferTestKit
import Testing

@testable import PowerInferKernels

/// Norms, gates, rotation and softmax of every instruction set, against double precision.
struct FloatTests {
  /// Relative error of a value made from one exponential (about 2 units in the last place) and a few roundings.
  static let relativeLimit = 1e-6
  static let sizes = [1, 2, 3, 7, 15, 16, 17, 31, 33, 64, 100, 576]

  @Test(arguments: Kernels.all.map(\.instructionSet))
  func rmsNorm(_ set: InstructionSet) throws {
    let kernels = try #require(Kernels(set))
    for n in Self.sizes {
      var generator = SeededGenerator(seed: UInt64(n))
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
  func layerNorm(_ set: InstructionSet) throws {
    let kernels = try #require(Kernels(set))
    for n in Self.sizes {
      // A mean far from 0 is where a variance from two sums would go wrong.
      for shift: Float in [0, 100] {
        var generator = SeededGenerator(seed: UInt64(n))
        let x = generator.normals(n).map { $0 + shift }
        let (weight, bias) = (generator.normals(n), generator.normals(n))
        var y = [Float](repeating: 9, count: n + 1)
        kernels.layerNorm(x, weight: weight, bias: bias, epsilon: 1e-5, count: n, into: &y)
        let mean = x.reduce(0.0) { $0 + Double($1) } / Double(n)
        let variance = x.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(n)
        // The float mean is off by some units in its last place, which the division by the deviation magnifies.
        let meanError = abs(mean) * 2.4e-7
        for i in 0..<n {
          let scale = Double(weight[i]) / (variance + 1e-5).squareRoot()
          let expected = (Double(x[i]) - mean) * scale + Double(bias[i])
          let limit = 1e-6 * (abs(expected) + abs(Double(bias[i])) + 1e-6) + meanError * abs(scale)
          #expect(abs(Double(y[i]) - expected) <= limit, "\(n) \(shift) \(i)")
        }
        #expect(y[n] == 9)
        var inPlace = x
        inPlace.withUnsafeMutableBufferPointer {
          let base = $0.baseAddress!
          kernels.layerNorm(base, weight: weight, bias: bias, epsilon: 1e-5, count: n, into: base)
        }
        #expect(inPlace == Array(y.prefix(n)))
      }
    }
    // Equal elements have no variance: with an epsilon the bias is left, without one nothing is known.
    var y: [Float] = [9, 9, 9]
    kernels.layerNorm([2, 2, 2], weight: [1, 2, 3], bias: [4, 5, 6], epsilon: 1e-5, count: 3, into: &y)
    #expect(y == [4, 5, 6])
    kernels.layerNorm([2, 2, 2], weight: [1, 2, 3], bias: [4, 5, 6], epsilon: 0, count: 3, into: &y)
    #expect(y.allSatisfy { $0.isNaN })
    kernels.layerNorm([2, .nan, 2], weight: [1, 2, 3], bias: [4, 5, 6], epsilon: 1, count: 3, into: &y)
    #expect(y.allSatisfy { $0.isNaN })
  }

  @Test(arguments: Kernels.all.map(\.instructionSet))
  func activations(_ set: InstructionSet) throws {
    let kernels = try #require(Kernels(set))
    for n in Self.sizes {
      var generator = SeededGenerator(seed: UInt64(n))
      let x = generator.normals(n).map { $0 * 4 }
      let up = generator.normals(n)
      var gelu = [Float](repeating: 9, count: n + 1)
      var relu = [Float](repeating: 9, count: n + 1)
      var both = [Float](repeating: 9, count: n + 1)
      kernels.gelu(x, into: &gelu, count: n)
      kernels.relu(x, into: &relu, count: n)
      kernels.gateReLUBoth(x, up: up, into: &both, count: n)
      for i in 0..<n {
        let exact = Double(x[i]) / 2 * erfc(-Double(x[i]) / 2.0.squareRoot())
        // The tail's exponent, up to 100, is rounded before the exponential.
        let error = abs(Double(gelu[i]) - exact)
        #expect(error <= 1e-5 * abs(exact) && error < 3e-7 * abs(Double(x[i])))
        #expect(relu[i] == max(x[i], 0))
        #expect(both[i] == max(x[i], 0) * max(up[i], 0))
      }
      #expect(gelu[n] == 9 && relu[n] == 9 && both[n] == 9)
    }
    let edges: [Float] = [.infinity, -.infinity, .nan, 0, denormal, -denormal, -3e38, 3e38]
    let ones = [Float](repeating: 1, count: 8)
    var y = [Float](repeating: 9, count: 8)
    kernels.gelu(edges, into: &y, count: 8)
    #expect(y[0] == .infinity && y[1] == 0 && y[2].isNaN && y[3] == 0 && y[6] == 0 && y[7] == 3e38)
    #expect(abs(y[4]) <= denormal && abs(y[5]) <= denormal)
    kernels.relu(edges, into: &y, count: 8)
    #expect(y[0] == .infinity && y[1] == 0 && y[2].isNaN && y[4] == denormal && y[5] == 0)
    kernels.gateReLUBoth(ones, up: edges, into: &y, count: 8)
    #expect(y[0] == .infinity && y[1] == 0 && y[2].isNaN && y[4] == denormal && y[5] == 0)
    kernels.gateReLUBoth(edges, up: ones, into: &y, count: 8)
    #expect(y[0] == .infinity && y[1] == 0 && y[2].isNaN && y[4] == denormal && y[5] == 0)
  }

  @Test(arguments: Kernels.all.map(\.instructionSet))
  func gates(_ set: InstructionSet) throws {
    let kernels = try #require(Kernels(set))
    for n in Self.sizes {
      var generator = SeededGenerator(seed: UInt64(n))
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
      var generator = SeededGenerator(seed: UInt64(n))
      let x = generator.normals(n)
      let start = generator.normals(n)
      var y = start
      kernels.add(x, to: &y, count: n)
      #expect(y == zip(x, start).map { $0 + $1 })
    }
  }

  /// Against multiplication of complex numbers.
  @Test(arguments: Kernels.all.map(\.instructionSet), RotaryPairing.allCases)
  func rotates(_ set: InstructionSet, pairing: RotaryPairing) throws {
    let kernels = try #require(Kernels(set))
    for (heads, size, rotary) in [(1, 2, 2), (3, 64, 64), (2, 80, 32), (9, 6, 4), (2, 8, 0)] {
      var generator = SeededGenerator(seed: UInt64(size))
      let x = generator.normals(heads * size)
      let angles = (0..<rotary / 2).map { Double($0) * 0.37 + 0.1 }
      var y = x
      kernels.rotate(
        &y, heads: heads, headSize: size, rotaryDimensions: rotary, pairing: pairing,
        cosines: angles.map { Float(cos($0)) }, sines: angles.map { Float(sin($0)) })
      for head in 0..<heads {
        for (j, angle) in angles.enumerated() {
          let (first, second) = pairing == .neighbours ? (2 * j, 2 * j + 1) : (j, j + rotary / 2)
          let (re, im) = (Double(x[head * size + first]), Double(x[head * size + second]))
          let (c, s) = (cos(angle), sin(angle))
          #expect(abs(Double(y[head * size + first]) - (re * c - im * s)) < 1e-6)
          #expect(abs(Double(y[head * size + second]) - (re * s + im * c)) < 1e-6)
        }
        let kept = head * size + rotary..<(head + 1) * size
        #expect(y[kept] == x[kept])
      }
    }
  }

  @Test(arguments: Kernels.all.map(\.instructionSet))
  func softmax(_ set: InstructionSet) throws {
    let kernels = try #require(Kernels(set))
    for n in Self.sizes {
      for (scale, shift) in [(Float(3), Float(0)), (40, -1000), (0.01, 1e6)] {
        var generator = SeededGenerator(seed: UInt64(n))
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
