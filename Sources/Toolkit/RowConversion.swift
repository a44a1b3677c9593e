import PowerInferGGUF
import PowerInferKernels

/// How the numbers of a row become those of a smaller type.
enum RowRounding: Sendable {
  /// As the reference encoders do.
  case plain
  /// With scales that are searched for; `importance` of the columns, [columns], nil for all alike.
  case fitted(importance: [Float]?)
  /// Each column makes up for the errors of those before it.
  case compensated(ErrorFactor)
}

/// The rows of one tensor from one type to another.
struct RowConversion: Sendable {
  private let name: String
  private let columns: Int
  private let source: Matrix
  private let sourceFormat: WeightFormat
  private let targetFormat: WeightFormat
  private let targetType: TensorType
  let sourceRowBytes: Int
  let targetRowBytes: Int

  /// Nil where either type is not one that the kernels convert.
  init?(_ tensor: Tensor, to target: TensorType) {
    guard let from = WeightFormat(rawValue: tensor.type.rawValue), let to = WeightFormat(rawValue: target.rawValue),
      let data = tensor.bytes.baseAddress
    else { return nil }
    name = tensor.name
    columns = tensor.columns
    sourceFormat = from
    targetFormat = to
    targetType = target
    sourceRowBytes = from.rowBytes(columns: tensor.columns)
    targetRowBytes = to.rowBytes(columns: tensor.columns)
    source = Matrix(format: from, rows: tensor.rows, columns: tensor.columns, data: data)
  }

  /// Converts `rows` into the start of the scratch's result.
  func convert(
    _ rows: Range<Int>, by rounding: RowRounding = .plain, scratch: ConversionScratch, team: ThreadTeam
  ) throws(QuantizeError) {
    let kernels = Kernels.active
    let largest = RowConversion.largestMagnitude(of: targetType)
    scratch.clearFaults()
    let shared = Unguarded(scratch)
    team.run { member in
      let scratch = shared.value
      let floats = scratch.floats(of: member.index)
      for row in member.share(of: rows.count) {
        kernels.dequantize(sourceFormat, source.row(rows.lowerBound + row), count: columns, into: floats)
        if let fault = RowConversion.fault(floats, count: columns, largest: largest) {
          scratch.report(fault, row: rows.lowerBound + row, member: member.index)
          return
        }
        let result = scratch.result(row: row)
        switch rounding {
        case .plain:
          kernels.quantize(targetFormat, floats, count: columns, into: result)
        case .fitted(let importance):
          kernels.quantizeFitted(targetFormat, floats, importance: importance, count: columns, into: result)
        case .compensated(let factor):
          kernels.quantizeCompensated(
            targetFormat, floats, importance: factor.importance, factor: factor.factor, count: columns,
            carry: scratch.carry(of: member.index), into: result)
        }
      }
    }
    try scratch.throwFirstFault(tensor: name, type: targetType)
  }

  /// Converts all rows, which are neurons, each making up for the errors of those before it in the factor's order.
  ///
  /// The elements that neurons give to one output depend on each other, those of different outputs do not: so every member
  /// takes blocks of columns of its own through all rows.
  func convertNeurons(by factor: ErrorFactor, scratch: ConversionScratch, team: ThreadTeam) throws(QuantizeError) {
    let kernels = Kernels.active
    let largest = RowConversion.largestMagnitude(of: targetType)
    let width = max(targetFormat.blockElements, sourceFormat.blockElements, 32)
    scratch.clearFaults()
    let shared = Unguarded(scratch)
    team.run { member in
      let scratch = shared.value
      let carry = scratch.strip(of: member.index)
      let floats = scratch.floats(of: member.index)
      let back = scratch.carry(of: member.index)
      for strip in member.share(of: (columns + width - 1) / width) {
        let begin = strip * width
        let count = min(width, columns - begin)
        carry.update(repeating: 0, count: source.rows * count)
        for place in 0..<source.rows {
          let row = factor.order[place]
          let from = source.row(row) + sourceFormat.rowBytes(columns: begin)
          let to = scratch.result(row: row) + targetFormat.rowBytes(columns: begin)
          kernels.dequantize(sourceFormat, from, count: count, into: floats)
          if let fault = RowConversion.fault(floats, count: count, largest: largest) {
            scratch.report(fault, row: row, member: member.index)
            return
          }
          let added = carry + place * count
          for column in 0..<count { back[column] = floats[column] + added[column] }
          kernels.quantizeFitted(targetFormat, back, importance: nil, count: count, into: to)
          kernels.dequantize(targetFormat, to, count: count, into: back)
          for column in 0..<count { floats[column] -= back[column] }
          kernels.spread(
            floats, count: count, by: factor.factor + place * factor.columns + place + 1,
            rows: source.rows - place - 1, into: added + count)
        }
      }
    }
    try scratch.throwFirstFault(tensor: name, type: targetType)
  }

  /// Columns that ``convertNeurons(by:scratch:team:)`` takes at once.
  var stripColumns: Int { min(columns, max(targetFormat.blockElements, sourceFormat.blockElements, 32)) }

  enum Fault { case notFinite, tooLarge }

  /// What is wrong with a row that is to be stored in a type that holds nothing larger than `largest`; nil where all is well.
  static func fault(_ values: UnsafePointer<Float>, count: Int, largest: Float) -> Fault? {
    var maximum: Float = 0
    // A sum of zeros that any NaN or infinity turns into NaN, for a comparison would overlook NaN.
    var probe: Float = 0
    for index in 0..<count {
      maximum = max(maximum, values[index].magnitude)
      probe += values[index] * 0
    }
    if probe.isNaN { return .notFinite }
    return maximum > largest ? .tooLarge : nil
  }

  /// The largest number that the type can hold, of either sign, without its half-precision scale or minimum becoming infinite.
  static func largestMagnitude(of type: TensorType) -> Float {
    let half: Float = 65_504
    return switch type {
    case .f16, .q4_1, .q5_1: half
    case .q4_0: half * 8
    case .q5_0: half * 16
    case .q8_0: half * 127
    case .q4_K, .q5_K: half * 63
    case .q6_K: half * 128 * 31
    default: .greatestFiniteMagnitude
    }
  }
}

/// The memory a conversion works in: used by all threads at once, each in its own places.
final class ConversionScratch {
  /// The rows made, one after the other.
  let result: UnsafeMutableRawBufferPointer
  private let rowBytes: Int
  private let columns: Int
  private let members: Int
  private let values: UnsafeMutablePointer<Float>
  private let carries: UnsafeMutablePointer<Float>
  private let strips: UnsafeMutablePointer<Float>
  private let stripFloats: Int
  private let faults: UnsafeMutablePointer<(RowConversion.Fault, row: Int)?>

  /// - Parameter stripColumns: of the strips of all rows that members need beside the rows; 0 for none.
  init(rows: Int, rowBytes: Int, columns: Int, members: Int, stripColumns: Int = 0) {
    result = .allocate(byteCount: rows * rowBytes, alignment: 64)
    values = .allocate(capacity: columns * members)
    carries = .allocate(capacity: columns * members)
    stripFloats = rows * stripColumns
    strips = .allocate(capacity: stripFloats * members)
    self.rowBytes = rowBytes
    self.columns = columns
    self.members = members
    faults = .allocate(capacity: members)
    faults.initialize(repeating: nil, count: members)
  }

  deinit {
    result.deallocate()
    values.deallocate()
    carries.deallocate()
    strips.deallocate()
    faults.deallocate()
  }

  /// A member's floats, [columns].
  func floats(of member: Int) -> UnsafeMutablePointer<Float> { values + member * columns }

  /// A member's second floats, [columns].
  func carry(of member: Int) -> UnsafeMutablePointer<Float> { carries + member * columns }

  /// A member's strip, [rows, stripColumns].
  func strip(of member: Int) -> UnsafeMutablePointer<Float> { strips + member * stripFloats }

  /// Where a row of the result goes.
  func result(row: Int) -> UnsafeMutableRawPointer {
    // The buffer is never empty: a tensor has at least one row of at least one block.
    result.baseAddress.unsafelyUnwrapped + row * rowBytes
  }

  func clearFaults() { faults.update(repeating: nil, count: members) }

  func report(_ fault: RowConversion.Fault, row: Int, member: Int) {
    faults[member] = (fault, row)
  }

  func throwFirstFault(tensor: String, type: TensorType) throws(QuantizeError) {
    switch firstFault {
    case (.notFinite, let row)?: throw .notFinite(tensor: tensor, row: row)
    case (.tooLarge, let row)?: throw .outOfRange(tensor: tensor, row: row, type: type)
    case nil: break
    }
  }

  /// The fault in the first faulty row; the same for any number of threads.
  private var firstFault: (RowConversion.Fault, row: Int)? {
    UnsafeBufferPointer(start: faults, count: members).compactMap { $0 }.min { $0.row < $1.row }
  }
}
