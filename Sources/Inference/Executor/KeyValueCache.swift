import Foundation
public import PowerInferKernels
import PowerInferModel
import PowerInferPlatform

/// How keys or values are kept in the cache.
public enum CacheFormat: String, Sendable, Codable, CaseIterable {
  /// Half precision, 16 bits an element.
  case f16
  /// Blocks of 32 elements with one scale, 8.5 bits an element; for head sizes that are multiples of 32.
  case q8_0

  /// The blocks that rows of keys or values are made of.
  public var storage: WeightFormat {
    switch self {
    case .f16: .f16
    case .q8_0: .q8_0
    }
  }
}

/// Keys and values of every position so far.
///
/// Layout [layer][key/value head][position], so that attention reads one contiguous run per head. Memory is touched, and so
/// really taken, only up to the positions in use.
final class KeyValueCache {
  /// Positions asked for.
  let capacity: Int
  /// Bytes in all, for keys and values.
  let byteCount: Int
  /// Bytes of a position's keys and values in all layers.
  let bytesPerPosition: Int
  private let configuration: ModelConfiguration
  private let keyFormat: WeightFormat
  private let valueFormat: WeightFormat
  private let keyBytes: Int  // of one head
  private let valueBytes: Int  // of one head
  private let memory: UnsafeMutableRawPointer

  /// - Parameter capacity: positions to make room for.
  /// - Throws: ``SessionError/contextTooLarge(tokens:bytes:)`` where that many bytes cannot be had,
  ///   ``SessionError/cacheFormat(_:headSize:)`` where heads cannot be stored in a format.
  init(configuration c: ModelConfiguration, capacity: Int, keys: CacheFormat, values: CacheFormat) throws {
    for format in [keys, values] where c.headSize % format.storage.blockElements != 0 {
      throw SessionError.cacheFormat(format, headSize: c.headSize)
    }
    self.capacity = capacity
    configuration = c
    (keyFormat, valueFormat) = (keys.storage, values.storage)
    let headBytes = keyFormat.rowBytes(columns: c.headSize) + valueFormat.rowBytes(columns: c.headSize)
    bytesPerPosition = c.layerCount * c.keyValueHeadCount * headBytes
    let tile = Kernels.attentionTile
    // At most 2^24 positions of 2^14 bytes.
    let positions = (capacity + tile - 1) / tile * tile
    keyBytes = positions * keyFormat.rowBytes(columns: c.headSize)
    valueBytes = positions * valueFormat.rowBytes(columns: c.headSize)
    let (bytes, overflow) = (keyBytes + valueBytes).multipliedReportingOverflow(by: c.layerCount * c.keyValueHeadCount)
    byteCount = overflow ? .max : bytes
    // posix_memalign reports exhaustion; Swift's own allocation would trap.
    var memory: UnsafeMutableRawPointer?
    guard !overflow, Memory.isWithinLimit(bytes), posix_memalign(&memory, 64, bytes) == 0, let memory else {
      throw SessionError.contextTooLarge(tokens: capacity, bytes: byteCount)
    }
    self.memory = memory
  }

  deinit { free(memory) }

  /// Keys and values of one head.
  func head(layer: Int, head: Int) -> CacheHead {
    let start = memory + (layer * configuration.keyValueHeadCount + head) * (keyBytes + valueBytes)
    return CacheHead(
      keys: start, values: start + keyBytes, headSize: configuration.headSize, keyFormat: keyFormat,
      valueFormat: valueFormat)
  }
}
