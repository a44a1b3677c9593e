import PowerInferTestKit
import Testing

@testable import PowerInferSparsity

@Suite struct PlacementTests {
  private static func cost(
    gpu: Double = 1000, cpu: Double = 100, turn: Double = 0, cpuTurn: Double = 0
  ) throws -> CostModel {
    CostModel(
      gpu: try DeviceSpeed(bytesPerSecond: gpu, secondsPerTurn: turn),
      cpu: try DeviceSpeed(bytesPerSecond: cpu, secondsPerTurn: cpuTurn))
  }

  /// Random layers, with neurons that fire equally often, always or never among the others.
  private static func loads(
    _ random: inout SeededGenerator, layers: Int, neurons: Int, sameBytes: Bool
  ) -> [NeuronLoad] {
    (0..<layers).map { _ in
      let coarse = random.below(3) == 0
      let frequencies = (0..<neurons).map { _ in
        coarse ? Float(random.below(3)) / 2 : Float(random.below(1001)) / 1000
      }
      return NeuronLoad(bytesPerNeuron: sameBytes ? 10 : 5 + random.below(10), frequencies: frequencies)
    }
  }

  /// The time of a layer whose neurons of these numbers are on the GPU, by the definition.
  private static func seconds(_ load: NeuronLoad, _ hot: Set<Int>, _ cost: CostModel) -> Double {
    var (gpu, cpu) = (0.0, 0.0)
    for (neuron, frequency) in load.frequencies.enumerated() {
      let bytes = Double(frequency) * Double(load.bytesPerNeuron)
      if hot.contains(neuron) { gpu += bytes } else { cpu += bytes }
    }
    return max(
      hot.isEmpty ? 0 : cost.gpu.secondsPerTurn + gpu / cost.gpu.bytesPerSecond,
      cost.cpu.secondsPerTurn + cpu / cost.cpu.bytesPerSecond)
  }

  /// The least time of all layers by trying every set of neurons of every layer.
  private static func best(_ loads: [NeuronLoad], budget: Int, cost: CostModel) -> Double {
    // The least time of the layers so far by bytes in use.
    var least = [0: 0.0]
    for load in loads {
      let neurons = load.frequencies.count
      var next: [Int: Double] = [:]
      for mask in 0..<(1 << neurons) {
        let hot = Set((0..<neurons).filter { mask >> $0 & 1 == 1 })
        let (bytes, time) = (hot.count * load.bytesPerNeuron, seconds(load, hot, cost))
        for (used, before) in least where used + bytes <= budget {
          next[used + bytes] = min(next[used + bytes] ?? .infinity, before + time)
        }
      }
      least = next
    }
    return least.values.min() ?? .infinity
  }

  /// Where the CPU reads half as much of a neuron as the GPU, it keeps more of them.
  @Test func theProcessorMayReadLess() throws {
    let cost = try Self.cost(gpu: 100, cpu: 100)
    func placed(_ processor: [Float]?) throws -> Placement.Layer {
      let load = NeuronLoad(
        bytesPerNeuron: 100, frequencies: [1, 1, 1, 1], processorFrequencies: processor)
      return try Placement([load], budget: 1000, cost: cost, step: 1).layers[0]
    }
    #expect(try placed(nil).neurons.count == 2 && placed(nil).seconds == 2)
    let less = try placed([0.5, 0.5, 0.5, 0.5])
    #expect(less.neurons.count == 1 && less.gpuSeconds == 1 && less.cpuSeconds == 1.5)
  }

  /// Against every number of the hottest neurons, and against every set of neurons whatever.
  @Test func nothingIsFasterWhereAllNeuronsTakeTheSameBytes() throws {
    var random = SeededGenerator(seed: 11)
    for round in 0..<60 {
      let cost = try Self.cost(
        gpu: [100, 250, 1000][random.below(3)], turn: [0, 0.05, 0.4][random.below(3)],
        cpuTurn: [0, 0.1][random.below(2)])
      let loads = Self.loads(&random, layers: 3, neurons: 6, sameBytes: true)
      let budget = random.below(200)
      let placement = try Placement(loads, budget: budget, cost: cost, step: 1)
      #expect(placement.byteCount <= budget)
      let best = Self.bestPrefix(loads, budget: budget, cost: cost, step: 1)
      #expect(abs(placement.seconds - best) < 1e-9, "round \(round): \(placement.seconds), best \(best)")
      // Others than the hottest may make the two parts of a layer more equal: by less than a neuron.
      let exhaustive = Self.best(loads, budget: budget, cost: cost)
      #expect(placement.seconds >= exhaustive - 1e-9)
      #expect(placement.seconds <= exhaustive + 3 * 10.0 / cost.cpu.bytesPerSecond + 1e-9, "round \(round)")
    }
  }

  /// The least time by trying every number of steps of every layer.
  private static func bestPrefix(_ loads: [NeuronLoad], budget: Int, cost: CostModel, step: Int) -> Double {
    var least = [0: 0.0]
    for load in loads {
      let order = load.frequencies.indices.sorted { load.frequencies[$0] > load.frequencies[$1] }
      var next: [Int: Double] = [:]
      for count in Set(stride(from: 0, to: order.count, by: step)).union([order.count]) {
        let (bytes, time) = (count * load.bytesPerNeuron, seconds(load, Set(order.prefix(count)), cost))
        for (used, before) in least where used + bytes <= budget {
          next[used + bytes] = min(next[used + bytes] ?? .infinity, before + time)
        }
      }
      least = next
    }
    return least.values.min() ?? .infinity
  }

  @Test(arguments: [1, 4, 5]) func unequalLayersAreAtMostAStepFromTheBest(step: Int) throws {
    var random = SeededGenerator(seed: 12)
    for round in 0..<100 {
      let cost = try Self.cost(turn: [0, 0.05][random.below(2)])
      let loads = Self.loads(&random, layers: 4, neurons: 12, sameBytes: false)
      let budget = random.below(500)
      let placement = try Placement(loads, budget: budget, cost: cost, step: step)
      let best = Self.bestPrefix(loads, budget: budget, cost: cost, step: step)
      // What a step of the heaviest neurons takes off the CPU.
      let gain = Double(step) * 14 / cost.cpu.bytesPerSecond
      #expect(placement.byteCount <= budget && placement.seconds >= best - 1e-9)
      #expect(placement.seconds <= best + gain + 1e-9, "round \(round)")
    }
  }

  @Test func aLayerSaysWhatItHasAndTakes() throws {
    let load = NeuronLoad(bytesPerNeuron: 100, frequencies: [0.25, 1, 0, 0.75])
    let cost = try Self.cost(gpu: 10_000, cpu: 200, turn: 0.01, cpuTurn: 0.02)
    let layer = try #require(try Placement([load], budget: 399, cost: cost, step: 1).layers.first)
    // The neuron that never fires is worth no memory.
    #expect(layer.neurons == [0, 1, 3] && layer.byteCount == 300 && layer.activationShare == 1)
    #expect(abs(layer.gpuSeconds - 0.03) < 1e-12 && abs(layer.cpuSeconds - 0.02) < 1e-12)
    #expect(layer.seconds == layer.gpuSeconds)
    let two = try #require(try Placement([load], budget: 250, cost: cost, step: 1).layers.first)
    #expect(two.neurons == [1, 3] && two.activationShare == 0.875)
    #expect(abs(two.cpuSeconds - 0.145) < 1e-12)
  }

  @Test func aTurnThatTakesLongerThanTheLayerIsNotWorthIt() throws {
    let load = NeuronLoad(bytesPerNeuron: 100, frequencies: [1, 1])
    #expect(try Placement([load], budget: 1000, cost: Self.cost(turn: 2), step: 1).byteCount == 0)
    #expect(try Placement([load], budget: 1000, cost: Self.cost(turn: 1.5), step: 1).byteCount == 100)
  }

  @Test func devicesOfOneSpeedShareALayer() throws {
    let load = NeuronLoad(bytesPerNeuron: 8, frequencies: [Float](repeating: 1, count: 1024))
    let placement = try Placement([load, load], budget: .max, cost: Self.cost(gpu: 100, cpu: 100))
    #expect(placement.layers.map(\.neurons.count) == [512, 512])
  }

  @Test func emptyLayersAndSilentOnesStayWhereTheyAre() throws {
    let loads = [
      NeuronLoad(bytesPerNeuron: 1, frequencies: []),
      NeuronLoad(bytesPerNeuron: 1, frequencies: [0, .nan, -1]),
    ]
    let placement = try Placement(loads, budget: 1000, cost: Self.cost(), step: 1)
    #expect(placement.layers.allSatisfy { $0.neurons.isEmpty && $0.activationShare == 0 } && placement.seconds == 0)
    #expect(try Placement([], budget: 0, cost: Self.cost()).layers.isEmpty)
  }

  @Test func aLargeModelIsPlaced() throws {
    var random = SeededGenerator(seed: 13)
    let loads = (0..<80).map { _ in
      let scale = random.floats(1)[0]
      return NeuronLoad(bytesPerNeuron: 13_824, frequencies: random.floats(28_672).map { abs($0 * scale) })
    }
    let budget = 12 << 30
    let placement = try Placement(loads, budget: budget, cost: Self.cost(gpu: 1e12, cpu: 67e9, turn: 2e-5))
    #expect(placement.byteCount <= budget && placement.byteCount > budget - 256 * 13_824)
    #expect(placement.layers.allSatisfy { $0.neurons.count % 256 == 0 })
    #expect(Set(placement.layers.map(\.neurons.count)).count > 10)
  }

  @Test func orderByDigitsIsOrderByFrequency() {
    var random = SeededGenerator(seed: 14)
    for count in [0, 1, 2, 31, 5000] {
      var frequencies = random.floats(count).map { abs($0) }
      for index in frequencies.indices where index % 7 == 3 {
        frequencies[index] = [0, -0.0, 1, .nan, -1, .leastNonzeroMagnitude, 0.5][random.below(7)]
      }
      let expected = NeuronOrder(frequencies: frequencies.map { $0 > 0 ? $0 : 0 }, askingCost: 0, computingCost: 1)
      #expect(positionsByFallingFrequency(frequencies) == expected.neurons)
    }
  }

  @Test func whatCannotBePlacedIsASentence() throws {
    func sentence(_ body: () throws -> Void) -> String {
      do {
        try body()
        return ""
      } catch {
        return "\(error)"
      }
    }
    for value in [0, -1, Double.nan, .infinity] {
      #expect(
        sentence { _ = try DeviceSpeed(bytesPerSecond: value) }
          == "The bytes per second of a device are \(value), expected a number above 0.")
    }
    for value in [-1, Double.nan, .infinity] {
      #expect(
        sentence { _ = try DeviceSpeed(bytesPerSecond: 1, secondsPerTurn: value) }
          == "The seconds per turn of a device are \(value), expected a number of 0 or more.")
    }
    let cost = try Self.cost()
    let load = NeuronLoad(bytesPerNeuron: 1, frequencies: [1])
    #expect(
      sentence { _ = try Placement([load], budget: -1, cost: cost) } == "The budget is -1 bytes, expected 0 or more.")
    #expect(
      sentence { _ = try Placement([load], budget: 1, cost: cost, step: 0) }
        == "Neurons are to be placed 0 at a time, expected at least 1.")
    #expect(
      sentence { _ = try Placement([load, .init(bytesPerNeuron: 0, frequencies: [])], budget: 1, cost: cost) }
        == "A neuron of layer 1 takes 0 bytes, expected at least 1.")
  }
}
