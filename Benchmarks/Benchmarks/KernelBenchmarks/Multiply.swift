import PowerInferKernels

/// Decoding: one token, so every weight is read for a single product. Warm fits a second-level cache; cold is larger than any
/// last-level cache and walked through in pieces, each out of the caches when its turn comes again.
func multiplyOneToken(_ kernels: Kernels) {
  let columns = 2048
  for format in WeightFormat.allCases {
    let rowBytes = format.rowBytes(columns: columns)
    let piece = max(4, (256 << 10) / rowBytes / 4 * 4)
    for (name, rows) in [("warm", piece), ("cold", (256 << 20) / rowBytes / piece * piece)] {
      measure("multiply \(format), 1 token, \(name)", kernels, .megabytes, amount: piece * rowBytes, repetitions: 4) {
        let weights = Weights(format, rows: rows, columns: columns)
        let x = tokens(1, columns: columns, .rows, kernels)
        let y = Floats(rows)
        var row = 0
        return {
          kernels.multiply(
            weights.matrix, rows: row..<row + piece, by: x, tokens: 0..<1, into: y.pointer, stride: rows)
          row = (row + piece) % rows
        }
      }
    }
  }
}

/// Prompts: a panel of weights multiplied by many tokens.
func multiplyManyTokens(_ kernels: Kernels) {
  let (rows, columns) = (64, 2048)
  for format in WeightFormat.allCases {
    for count in [128, 512] {
      measure(
        "multiply \(format), \(count) tokens", kernels, .products, amount: rows * columns * count
      ) {
        let weights = Weights(format, rows: rows, columns: columns)
        let x = tokens(count, columns: columns, kernels.order(forTokens: count), kernels)
        let y = Floats(rows * count)
        return {
          kernels.multiply(
            weights.matrix, rows: 0..<rows, by: x, tokens: 0..<count, into: y.pointer, stride: rows)
        }
      }
    }
  }
}
