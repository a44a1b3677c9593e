import PowerInferKernels

/// How rounding errors of the elements of a matrix's input make up for each other.
///
/// With H the second moments of the input, an error e in a row of weights costs e·H·eᵀ. Where H = (1 + M)·D·(1 + M)ᵀ, M
/// strictly upper triangular and D diagonal, that is Σ_k D_k·(e_k + Σ_{j<k} e_j·M_jk)²: so weight k is rounded from
/// w_k + Σ_{j<k} e_j·M_jk, with D_k its importance. This is the rounding of GPTQ (Frantar et al. 2022, arXiv:2210.17323) in
/// the form that Chee et al. 2023 (arXiv:2307.13304) call LDLQ, which needs no inverse.
// Unchecked: nothing writes to it once it is made.
final class ErrorFactor: @unchecked Sendable {
  let columns: Int
  /// Places in which the elements are rounded: `order[k]` is the k-th.
  let order: [Int]
  /// M, [columns (j), columns (k)]: what error 1 of the j-th adds to the k-th, k > j; 0 elsewhere.
  let factor: UnsafeMutablePointer<Float>
  /// D, [columns], in order.
  let importance: UnsafeMutablePointer<Float>

  /// - Parameters:
  ///   - moments: Σ x·xᵀ, [columns, columns], the upper triangle.
  ///   - columns: elements of the input.
  ///   - damping: what is added to the diagonal, in means of the diagonal: the less text was read, the more it should be.
  ///   - sorts: whether elements are rounded from the largest moment to the smallest, and not as they come.
  ///   - team: the threads that compute; the result does not depend on their number.
  init(moments: UnsafePointer<Float>, columns n: Int, damping: Double, sorts: Bool, team: ThreadTeam) {
    columns = n
    let diagonal = (0..<n).map { Double(moments[$0 * n + $0]) }
    order = sorts ? (0..<n).sorted { (diagonal[$1], $0) < (diagonal[$0], $1) } : Array(0..<n)
    factor = .allocate(capacity: n * n)
    factor.initialize(repeating: 0, count: n * n)
    importance = .allocate(capacity: n)
    importance.initialize(repeating: 1, count: n)
    let mean = diagonal.reduce(0, +) / Double(max(n, 1))
    // Of an input that is always 0 nothing is known.
    guard mean > 0 else { return }

    // Row j of `rest` holds column j of what is left of H, down to the diagonal.
    let rest = UnsafeMutablePointer<Double>.allocate(capacity: n * n)
    defer { rest.deallocate() }
    for j in 0..<n {
      for i in 0...j {
        let (a, b) = (min(order[i], order[j]), max(order[i], order[j]))
        rest[j * n + i] = Double(moments[a * n + b]) / mean
      }
      rest[j * n + j] += damping
    }
    // In the rest every member has rows of its own, between barriers; the first member writes what comes out.
    let shared = Unguarded((rest: rest, factor: factor, importance: importance))
    team.run { member in
      let (rest, factor, importance) = shared.value
      for j in stride(from: n - 1, through: 0, by: -1) {
        let column = rest + j * n
        // Damped moments are positive; rounding could make the last of them anything.
        let pivot = max(column[j], damping * 1e-3)
        if member.index == 0 {
          importance[j] = Float(pivot)
          for i in 0..<j { factor[i * n + j] = Float(column[i] / pivot) }
        }
        // What is left, less the part that this element explains. Long and short rows in turn.
        for k in stride(from: member.index, to: j, by: member.count) {
          let target = rest + k * n
          let share = column[k] / pivot
          for i in 0...k { target[i] -= share * column[i] }
        }
        member.sync()
      }
    }
  }

  deinit {
    factor.deallocate()
    importance.deallocate()
  }

  /// Bytes that a factor takes while it is made.
  static func byteCount(columns: Int) -> Int { columns * columns * 12 }
}
