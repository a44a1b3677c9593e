import PowerInferKernels

/// What happens to a vector between two products.
func floats(_ kernels: Kernels) {
  let count = 2048
  func each(_ name: String, _ setup: @escaping () -> (() -> Void)) {
    measure("\(name), \(count)", kernels, .elements, amount: count, repetitions: 100, setup: setup)
  }
  each("rms norm") {
    let (x, weight, y) = (Floats(count), Floats(count), Floats(count))
    return { kernels.rmsNorm(x.pointer, weight: weight.pointer, epsilon: 1e-5, count: count, into: y.pointer) }
  }
  each("silu gate") {
    let (gate, up, y) = (Floats(count, scale: 8), Floats(count), Floats(count))
    return { kernels.gateSiLU(gate.pointer, up: up.pointer, into: y.pointer, count: count) }
  }
  each("relu gate") {
    let (gate, up, y) = (Floats(count, scale: 8), Floats(count), Floats(count))
    return { kernels.gateReLU(gate.pointer, up: up.pointer, into: y.pointer, count: count) }
  }
  each("softmax") {
    let x = Floats(count, scale: 8)
    return { kernels.softmax(x.pointer, count: count) }
  }
  for order in Activations.Order.allCases {
    each("quantize activations by \(order)") {
      let x = tokens(1, columns: count, order, kernels)
      return { x.quantize(tokens: 0..<1, using: kernels) }
    }
  }
}

/// Memory, read so lightly that it alone is the limit; by one thread.
func streams(_ kernels: Kernels) {
  let bytes = 256 << 20
  measure("sum of memory", kernels, .megabytes, amount: bytes) {
    let data = Floats(bytes / 4)
    return { _ = kernels.sumLines(data.pointer, count: bytes / 64) }
  }
}
