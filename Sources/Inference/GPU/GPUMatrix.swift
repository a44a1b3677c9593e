import PowerInferGPU
public import PowerInferKernels
import PowerInferModel

/// Weights in a device's memory, in parts of whole rows that each fit one binding.
struct GPUMatrix {
  struct Part {
    let layout: WeightLayout
    let firstRow: Int
    let codes: any GPUBuffer
    /// ``codes`` where the format has nothing beside them.
    let rest: any GPUBuffer
  }

  let format: WeightLayout.Format
  let rows: Int
  let columns: Int
  let parts: [Part]

  /// Of all parts.
  var byteCount: Int { parts.reduce(0) { $0 + $1.layout.codesByteCount + $1.layout.restByteCount } }

  /// Uploads matrices of one format and width, one below the other. Their rows are arranged on the way; nothing of them is kept in
  /// the host's memory.
  ///
  /// - Parameters:
  ///   - matrices: at least one.
  ///   - multiple: parts begin at multiples of so many rows.
  ///   - name: for messages.
  /// - Throws: ``GPUModelError/noKernels(format:tensor:)``, `GPUError` where the memory is not to be had.
  init(_ matrices: [Matrix], multiple: Int = 1, name: String, on device: any GPUDevice) throws {
    let first = matrices[0]
    guard let format = first.format.gpuFormat else {
      throw GPUModelError.noKernels(format: first.format, tensor: name)
    }
    let limits = device.description.limits
    let most = WeightLayout.rows(
      format: format, columns: first.columns, fitting: min(limits.bindingBytes, limits.bufferBytes))
    let perPart = most / multiple * multiple
    guard perPart > 0 else {
      throw GPUError.bufferSize(
        label: name, byteCount: multiple * first.rowBytes, limit: min(limits.bindingBytes, limits.bufferBytes))
    }
    self.format = format
    columns = first.columns
    rows = matrices.reduce(0) { $0 + $1.rows }
    var parts: [Part] = []
    for start in stride(from: 0, to: rows, by: perPart) {
      let layout = WeightLayout(format: format, rows: min(perPart, rows - start), columns: columns)
      parts.append(try Self.upload(matrices, from: start, layout, name: name, on: device))
    }
    self.parts = parts
  }

  private static func upload(
    _ matrices: [Matrix], from start: Int, _ layout: WeightLayout, name: String, on device: any GPUDevice
  ) throws -> Part {
    let codes = try device.makeBuffer(byteCount: layout.codesByteCount, role: .device, label: name)
    var rest = codes
    if layout.restByteCount > 0 {
      rest = try device.makeBuffer(byteCount: layout.restByteCount, role: .device, label: name)
    }
    for plane in layout.planes {
      let bytes = plane.bytesPerRow
      guard bytes > 0 else { continue }
      let target = (plane.isRest ? rest : codes).slice(at: plane.offset, byteCount: layout.rows * bytes)
      try device.upload(to: target, inMultiplesOf: bytes) { piece, offset in
        guard let memory = piece.baseAddress else { return }
        // A piece may have rows of several matrices.
        let wanted = start + offset / bytes..<start + (offset + piece.count) / bytes
        var base = 0
        for matrix in matrices {
          let own = wanted.clamped(to: base..<base + matrix.rows)
          if !own.isEmpty {
            let target = memory + (own.lowerBound - wanted.lowerBound) * bytes
            matrix.rows(own.lowerBound - base..<own.upperBound - base).withBlocks { rows in
              layout.write(
                plane, rows: rows.rows, from: rows.row(0), sourceRowBytes: rows.rowBytes, into: target)
            }
          }
          base += matrix.rows
        }
      }
    }
    return Part(layout: layout, firstRow: start, codes: codes, rest: rest)
  }
}

extension Matrix {
  /// Some of the rows, as views of runs of them.
  ///
  /// - Parameter rows: ascending.
  func runs(of rows: [UInt32]) -> [Matrix] {
    var runs: [Matrix] = []
    var start = 0
    for index in rows.indices where index + 1 == rows.count || rows[index + 1] != rows[index] + 1 {
      runs.append(self.rows(Int(rows[start])..<Int(rows[index]) + 1))
      start = index + 1
    }
    return runs
  }

  /// A part of every row, of whole blocks; of a matrix whose rows are as in the file.
  func columns(_ range: Range<Int>) -> Matrix {
    precondition(layout == .blocks, "rows are as in the file")
    return Matrix(
      format: format, rows: rows, columns: range.count,
      data: data + format.rowBytes(columns: range.lowerBound), rowBytes: rowBytes)
  }

  /// Lets `body` see a part of every row, of whole blocks, as a file has it: the matrix's own bytes, or a copy.
  func withColumns<Result>(_ range: Range<Int>, _ body: (Matrix) throws -> Result) rethrows -> Result {
    if layout == .blocks { return try body(columns(range)) }
    let offset = format.rowBytes(columns: range.lowerBound)
    let (width, whole) = (format.rowBytes(columns: range.count), format.rowBytes(columns: columns))
    let copy = UnsafeMutableRawPointer.allocate(byteCount: rows * width + whole, alignment: 64)
    defer { copy.deallocate() }
    let row = copy + rows * width
    for index in 0..<rows {
      copyBlocks(ofRow: index, into: row)
      (copy + index * width).copyMemory(from: row + offset, byteCount: width)
    }
    return try body(Matrix(format: format, rows: rows, columns: range.count, data: copy))
  }

  /// Lets `body` see the rows as a file has them: themselves, or a copy.
  fileprivate func withBlocks(_ body: (Matrix) -> Void) {
    guard layout != .blocks else { return body(self) }
    let width = format.rowBytes(columns: columns)
    let copy = UnsafeMutableRawPointer.allocate(byteCount: rows * width, alignment: 64)
    defer { copy.deallocate() }
    for row in 0..<rows { copyBlocks(ofRow: row, into: copy + row * width) }
    body(Matrix(format: format, rows: rows, columns: columns, data: copy))
  }
}

extension WeightFormat {
  /// The same format on a device; nil where there are no kernels for it.
  var gpuFormat: WeightLayout.Format? { WeightLayout.Format(rawValue: rawValue) }
}

/// Why a model cannot run on a GPU.
public enum GPUModelError: Error, Equatable, CustomStringConvertible {
  case noKernels(format: WeightFormat, tensor: String)
  case noGateBias(tensor: String)
  case headSize(Int, most: Int)
  case partOfLayers
  case observers

  public var description: String {
    switch self {
    case .noKernels(let format, let tensor):
      "This model cannot run on a GPU: \(tensor) is in \(String(describing: format).uppercased()), for which there are no kernels."
    case .noGateBias(let tensor):
      "This model cannot run on a GPU: there are no kernels for the biases of gates, such as \(tensor)."
    case .headSize(let size, let most):
      "This model cannot run on a GPU: its heads have \(size) elements, where kernels take \(most)."
    case .partOfLayers:
      "A GPU computes all neurons of a layer or none, but a part of them was asked for."
    case .observers:
      "What neurons do cannot be observed on a GPU."
    }
  }
}
