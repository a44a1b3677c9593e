import Crypto
import Foundation
import PowerInferGGUF
import PowerInferPlatform

/// How far a conversion has come that is not finished, on the disk: the beginning of the result in a ``ResumableFile``, and
/// beside it a record of what the result is to be and of the checksums of what is there.
///
/// The record is written after what it speaks of has reached the disk, so that it never promises more than is there. A
/// record that fits another conversion, or none, means to begin anew; one that cannot be read does not, for what it speaks
/// of may be hours of work.
final class PartialConversion {
  /// What was finished in one stretch.
  struct Segment: Codable, Equatable {
    /// Tensors done at its end.
    var tensors: Int
    /// Length of the file at its end.
    var bytes: Int
    /// Of the bytes since the segment before.
    var sha256: String
  }

  private struct Record: Codable {
    /// Of everything that decides the result.
    var plan: String
    var segments: [Segment]
  }

  /// Bytes after which a segment ends with the tensor under way.
  static let segmentBytes = 256 << 20

  private let file: ResumableFile
  private var record: Record
  private var hash = SHA256()
  private let segmentBytes: Int

  /// Where what is done is kept.
  var path: String { file.temporaryPath }
  private var recordPath: String { file.temporaryPath + ".json" }
  /// Length of the file.
  var byteCount: Int { file.count }
  /// Tensors that need not be made again.
  var tensors: Int { record.segments.last?.tensors ?? 0 }

  /// Opens what is there and checks it, or begins.
  ///
  /// - Parameters:
  ///   - path: where the finished file will be.
  ///   - plan: a digest of everything that decides the result.
  ///   - tensors: of the result.
  ///   - segmentBytes: for tests.
  init(
    _ path: String, plan: String, tensors: Int, segmentBytes: Int = PartialConversion.segmentBytes
  ) throws(FileError) {
    self.segmentBytes = segmentBytes
    file = try ResumableFile(path)
    record = Record(plan: plan, segments: [])
    if file.count > 0, let found = try Self.record(file.temporaryPath + ".json"), found.plan == plan {
      record.segments = try Self.sound(found.segments, of: file.temporaryPath, tensors: tensors)
    }
    try file.truncate(to: record.segments.last?.bytes ?? 0)
  }

  private static func record(_ path: String) throws(FileError) -> Record? {
    let file: MappedFile
    do {
      file = try MappedFile(path)
    } catch {
      if case .missing = error { return nil }
      throw error
    }
    return try? JSONDecoder().decode(Record.self, from: Data(file.bytes))
  }

  /// The segments, from the first, that are in the file as the record says.
  private static func sound(
    _ segments: [Segment], of path: String, tensors count: Int
  ) throws(FileError) -> [Segment] {
    let file = try MappedFile(path)
    var result: [Segment] = []
    var (start, tensors) = (0, 0)
    for segment in segments {
      guard segment.bytes > start, segment.bytes <= file.bytes.count, segment.tensors > tensors,
        segment.tensors <= count
      else { break }
      var hash = SHA256()
      // In pieces, each of which leaves memory again.
      for offset in stride(from: start, to: segment.bytes, by: 16 << 20) {
        let piece = UnsafeRawBufferPointer(rebasing: file.bytes[offset..<min(segment.bytes, offset + 16 << 20)])
        hash.update(bufferPointer: piece)
        file.release(piece)
      }
      guard hexadecimal(hash.finalize()) == segment.sha256 else { break }
      result.append(segment)
      (start, tensors) = (segment.bytes, segment.tensors)
    }
    return result
  }

  /// Appends bytes.
  func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    try file.write(bytes)
    hash.update(bufferPointer: bytes)
  }

  /// Notes that so many tensors are done, if enough was written since it was last noted.
  func finishTensor(_ done: Int) throws(FileError) {
    let start = record.segments.last?.bytes ?? 0
    guard file.count - start >= segmentBytes else { return }
    try file.synchronize()
    try note(done)
  }

  /// Notes that so many tensors are done and on the disk.
  private func note(_ done: Int) throws(FileError) {
    record.segments.append(Segment(tensors: done, bytes: file.count, sha256: hexadecimal(hash.finalize())))
    hash = SHA256()
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    guard let text = try? encoder.encode(record) else { return }
    // Under a fixed name until it is complete: what a sudden end leaves of it is written over the next time.
    let target = try ResumableFile(recordPath)
    try target.truncate(to: 0)
    try Array(text).withUnsafeBufferPointer { (elements: UnsafeBufferPointer<UInt8>) throws(FileError) in
      try target.write(UnsafeRawBufferPointer(elements))
    }
    try target.commit()
  }

  /// Gives the file its name and removes the record.
  ///
  /// - Parameter count: of all tensors, so that nothing is made again where giving the name fails.
  func commit(tensors count: Int) throws(FileError) {
    try file.synchronize()
    // Without a note some tensors would be made again; that is no reason to fail.
    if count > tensors { try? note(count) }
    try file.commit()
    removeFile(recordPath)
  }

  /// Removes what was done.
  func discard() {
    file.discard()
    removeFile(recordPath)
  }
}
