public import PowerInferPlatform

/// Writes one-dimensional tensors as `torch.save` does, for `torch.load` to read, with `weights_only` too.
public enum TorchWriter {
  /// Writes whole numbers as an int64 tensor; the file appears under its name when it is complete.
  ///
  /// - Throws: `FileError`.
  public static func write(_ numbers: [Int64], to path: String) throws(FileError) {
    try write(
      numbers.flatMap { littleEndian(UInt64(bitPattern: $0)) }, count: numbers.count, storage: "LongStorage", to: path)
  }

  /// Writes numbers as a float32 tensor; the file appears under its name when it is complete.
  ///
  /// - Throws: `FileError`.
  public static func write(_ numbers: [Float], to path: String) throws(FileError) {
    try write(
      numbers.flatMap { littleEndian($0.bitPattern) }, count: numbers.count, storage: "FloatStorage", to: path)
  }

  private static func write(
    _ bytes: [UInt8], count: Int, storage: String, to path: String
  ) throws(FileError) {
    // The folder inside the archive, which may have any name; PyTorch takes the file's.
    let folder = "archive/"
    var archive = ZipWriter()
    archive.append(folder + "data.pkl", pickle(count: count, storage: storage))
    archive.append(folder + "byteorder", Array("little".utf8))
    archive.append(folder + "data/0", bytes)
    archive.append(folder + "version", Array("3\n".utf8))
    let file = try AtomicFile(path)
    try file.write(archive.finished())
    try file.commit()
  }

  /// The instructions that rebuild a tensor of `count` numbers.
  private static func pickle(count: Int, storage: String) -> [UInt8] {
    var bytes: [UInt8] = [0x80, 2]
    func global(_ module: String, _ name: String) { bytes += [UInt8(ascii: "c")] + Array("\(module)\n\(name)\n".utf8) }
    func text(_ text: String) {
      bytes += [UInt8(ascii: "X")] + littleEndian(UInt32(text.utf8.count)) + Array(text.utf8)
    }
    func integer(_ number: Int) {
      // A number of 31 bits, or one of 8 bytes.
      if let short = Int32(exactly: number) {
        bytes += [UInt8(ascii: "J")] + littleEndian(UInt32(bitPattern: short))
      } else {
        bytes += [0x8A, 8] + littleEndian(UInt64(number))
      }
    }
    global("torch._utils", "_rebuild_tensor_v2")
    bytes += Array("((".utf8)
    text("storage")
    global("torch", storage)
    text("0")
    text("cpu")
    integer(count)
    bytes += Array("tQ".utf8)
    // Offset, shape, strides; no gradient; no hooks.
    integer(0)
    integer(count)
    bytes.append(0x85)
    integer(1)
    bytes += [0x85, 0x89]
    global("collections", "OrderedDict")
    bytes += Array(")RtR.".utf8)
    return bytes
  }
}

func littleEndian(_ number: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: number.littleEndian) { Array($0) }
}
