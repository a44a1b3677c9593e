import PowerInferKernels

/// The down projection by neurons, of which some share fires; the rest of the weights is not read. Bytes are those read.
func accumulateRows(_ kernels: Kernels) {
  let (rows, columns) = (8192, 2048)
  for format in [WeightFormat.q4_0, .q8_0, .f16] {
    for percent in [100, 30, 10, 3] {
      let firing = rows * percent / 100
      measure(
        "accumulate rows \(format), \(percent) % of neurons", kernels, .megabytes,
        amount: firing * format.rowBytes(columns: columns)
      ) {
        let weights = Weights(format, rows: rows, columns: columns)
        let h = Floats(rows)
        for i in 0..<rows { h.pointer[i] = 0 }
        // Spread as a shuffle would: a step that has no factor in common with the number of rows.
        for i in 0..<firing { h.pointer[i * 5003 % rows] = 1 }
        let y = Floats(columns)
        return {
          kernels.accumulateRows(
            weights.matrix, coefficients: h.pointer, hStride: rows, tokens: 0..<1, columns: 0..<columns,
            into: y.pointer, stride: columns)
        }
      }
    }
  }
}
