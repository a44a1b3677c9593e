public import PowerInferKernels
import PowerInferPlatform

/// A down projection with one row per neuron, made from one with a row per output: what lets single neurons be left out.
// Unchecked: nothing writes to the rows once they are made.
public final class NeuronRows: @unchecked Sendable {
  public let matrix: Matrix  // [d, f], as `ffn_down_t`
  private let storage: UnsafeMutableRawPointer

  /// What the rows are kept as: plain floats stay what they are, blocks cannot be turned and are rounded anew, to 8 bits.
  static func format(of down: Matrix) -> WeightFormat {
    guard down.format.usesQuantizedActivations else { return down.format }
    return down.rows % WeightFormat.q8_0.blockElements == 0 ? .q8_0 : .f16
  }

  /// Bytes of the rows.
  var byteCount: Int { matrix.rows * matrix.rowBytes }

  static func byteCount(of down: Matrix) -> Int {
    down.columns * format(of: down).rowBytes(columns: down.rows)
  }

  /// Turns `ffn_down`, [f, d].
  init(turning down: Matrix, team: ThreadTeam) {
    let format = Self.format(of: down)
    let (d, f) = (down.rows, down.columns)
    let rowBytes = format.rowBytes(columns: d)
    let storage = UnsafeMutableRawPointer.allocate(byteCount: f * rowBytes + 64, alignment: 64)
    // One block of every output at a time.
    let width = max(down.format.blockElements, 32)
    // Every piece is neurons of its own, rows of the target.
    let target = Unguarded(storage)
    team.run { member in
      let block = UnsafeMutablePointer<Float>.allocate(capacity: width)
      let turned = UnsafeMutablePointer<Float>.allocate(capacity: width * d)
      defer {
        block.deallocate()
        turned.deallocate()
      }
      member.pieces((f + width - 1) / width) { piece in
        let neurons = piece * width..<min(f, (piece + 1) * width)
        for output in 0..<d {
          Kernels.active.dequantize(down, row: output, columns: neurons, into: block)
          for index in 0..<neurons.count { turned[index * d + output] = block[index] }
        }
        for index in 0..<neurons.count {
          let row = target.value + (neurons.lowerBound + index) * rowBytes
          Kernels.active.quantize(format, turned + index * d, count: d, into: row)
          if format.hasPlanes {
            format.makePlanes(UnsafeMutableRawBufferPointer(start: row, count: rowBytes), columns: d)
          }
        }
      }
    }
    self.storage = storage
    matrix = Matrix(
      format: format, rows: f, columns: d, data: storage, layout: format.hasPlanes ? .planes : .blocks)
  }

  deinit { storage.deallocate() }
}
