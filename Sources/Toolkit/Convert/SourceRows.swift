import PowerInferCheckpoint
import PowerInferKernels
import PowerInferPlatform

/// The order in which a matrix's rows are taken over.
enum RowOrder: Sendable, Equatable {
  case asStored
  /// Rows of each head of `size`, whose first half is rotated with its second, so that those rotated together are neighbours:
  /// 0, size/2, 1, size/2 + 1, … (spec §1.3).
  case rotaryNeighbours(size: Int)
  /// Rows of Falcon's fused matrix, which for every key/value head holds the queries that share it, then the key, then the
  /// value: all queries first, then all keys, then all values (spec §1.5).
  case queriesKeysValues(heads: Int, keyValueHeads: Int, size: Int)

  /// The stored row that becomes row `row`.
  func source(of row: Int) -> Int {
    switch self {
    case .asStored:
      return row
    case .rotaryNeighbours(let size):
      let (head, place) = row.quotientAndRemainder(dividingBy: size)
      return head * size + place % 2 * (size / 2) + place / 2
    case .queriesKeysValues(let heads, let keyValueHeads, let size):
      let sharing = heads / keyValueHeads
      let (head, place) = row.quotientAndRemainder(dividingBy: size)
      let slot: Int
      if head < heads {
        slot = head / sharing * (sharing + 2) + head % sharing
      } else if head < heads + keyValueHeads {
        slot = (head - heads) * (sharing + 2) + sharing
      } else {
        slot = (head - heads - keyValueHeads) * (sharing + 2) + sharing + 1
      }
      return slot * size + place
    }
  }
}

/// The rows of a tensor to be, read as floats from wherever in a checkpoint they lie.
struct SourceRows: Sendable {
  let rows: Int
  let columns: Int
  private let content: Content

  private enum Content: Sendable {
    case stored(CheckpointTensor, rowStride: Int, columnStride: Int, order: RowOrder)
    case computed([Float])
  }

  /// Of a matrix, or of a vector, which is one row; where an order is given, a row for each number.
  init(_ tensor: CheckpointTensor, order: RowOrder = .asStored) {
    if tensor.shape.count == 2 {
      (rows, columns) = (tensor.shape[0], tensor.shape[1])
      content = .stored(tensor, rowStride: tensor.strides[0], columnStride: tensor.strides[1], order: order)
    } else if order == .asStored {
      (rows, columns) = (1, tensor.count)
      content = .stored(tensor, rowStride: 0, columnStride: tensor.strides.last ?? 1, order: order)
    } else {
      (rows, columns) = (tensor.count, 1)
      content = .stored(tensor, rowStride: tensor.strides.last ?? 1, columnStride: 1, order: order)
    }
  }

  /// Of a matrix, whose columns become the rows.
  init(transposing tensor: CheckpointTensor) {
    (rows, columns) = (tensor.shape[1], tensor.shape[0])
    content = .stored(tensor, rowStride: tensor.strides[1], columnStride: tensor.strides[0], order: .asStored)
  }

  /// One row of numbers that no file holds.
  init(computed numbers: [Float]) {
    (rows, columns) = (1, numbers.count)
    content = .computed(numbers)
  }

  /// Bytes in the checkpoint.
  var byteCount: Int {
    switch content {
    case .stored(let tensor, _, _, _): tensor.count * tensor.type.byteCount
    case .computed: 0
    }
  }

  /// Gives back the memory of the pages that were read.
  func release() {
    if case .stored(let tensor, _, _, _) = content { tensor.file.release(tensor.bytes) }
  }

  /// Reads rows.
  ///
  /// - Parameters:
  ///   - range: of the rows.
  ///   - floats: [range.count, columns]
  func read(_ range: Range<Int>, into floats: UnsafeMutablePointer<Float>) {
    switch content {
    case .computed(let numbers):
      guard !range.isEmpty else { return }
      numbers.withUnsafeBufferPointer { source in
        if let start = source.baseAddress { floats.update(from: start, count: columns) }
      }
    case .stored(let tensor, let rowStride, let columnStride, let order):
      let numbers = NumberReader(tensor)
      if columnStride == 1 || columns == 1 {
        for row in range {
          numbers.read(
            order.source(of: row) * rowStride, count: columns, into: floats + (row - range.lowerBound) * columns)
        }
      } else if rowStride == 1 {
        readAcross(numbers, range, order: order, columnStride: columnStride, into: floats)
      } else {
        for row in range {
          for column in 0..<columns {
            let place = floats + (row - range.lowerBound) * columns + column
            numbers.read(order.source(of: row) * rowStride + column * columnStride, count: 1, into: place)
          }
        }
      }
    }
  }

  /// Reads rows that lie as columns: some at once, of which a cache line each is filled at a time.
  private func readAcross(
    _ numbers: NumberReader, _ range: Range<Int>, order: RowOrder, columnStride: Int,
    into floats: UnsafeMutablePointer<Float>
  ) {
    let width = 16
    let runs = Self.runs(of: range, in: order)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: width * range.count) { tile in
      guard let tile = tile.baseAddress else { return }
      for first in stride(from: 0, to: columns, by: width) {
        let count = min(width, columns - first)
        for column in 0..<count {
          var target = tile + column * range.count
          for run in runs {
            numbers.read((first + column) * columnStride + run.lowerBound, count: run.count, into: target)
            target += run.count
          }
        }
        for row in 0..<range.count {
          let target = floats + row * columns + first
          for column in 0..<count { target[column] = tile[column * range.count + row] }
        }
      }
    }
  }

  /// The stored rows that become `range`, those that follow one another as one run.
  private static func runs(of range: Range<Int>, in order: RowOrder) -> [Range<Int>] {
    if order == .asStored { return [range] }
    var runs: [Range<Int>] = []
    for row in range {
      let source = order.source(of: row)
      if let last = runs.last, last.upperBound == source {
        runs[runs.count - 1] = last.lowerBound..<(source + 1)
      } else {
        runs.append(source..<(source + 1))
      }
    }
    return runs
  }
}

/// Reads numbers of a tensor that lie one behind the other.
private struct NumberReader {
  private let bytes: UnsafeRawBufferPointer
  private let type: ElementType
  private let format: WeightFormat?
  private let kernels = Kernels.active

  init(_ tensor: CheckpointTensor) {
    bytes = tensor.bytes
    type = tensor.type
    format =
      switch tensor.type {
      case .f32: .f32
      case .f16: .f16
      case .bf16: .bf16
      default: nil
      }
  }

  /// - Parameter offset: in numbers.
  func read(_ offset: Int, count: Int, into floats: UnsafeMutablePointer<Float>) {
    guard let start = bytes.baseAddress, count > 0 else { return }
    let source = start + offset * type.byteCount
    guard let format else {
      // F64: the only other type that is taken.
      for index in 0..<count {
        let bits = UInt64(littleEndian: source.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
        floats[index] = Float(Double(bitPattern: bits))
      }
      return
    }
    if Int(bitPattern: source) % type.byteCount == 0 {
      kernels.dequantize(format, source, count: count, into: floats)
    } else {
      // A header of odd length puts numbers where the kernels do not expect them.
      withUnsafeTemporaryAllocation(byteCount: count * type.byteCount, alignment: 16) { copy in
        copy.copyMemory(from: UnsafeRawBufferPointer(start: source, count: count * type.byteCount))
        if let copy = copy.baseAddress { kernels.dequantize(format, copy, count: count, into: floats) }
      }
    }
  }
}
