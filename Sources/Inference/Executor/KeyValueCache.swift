import Foundation
import Model
import Platform

/// Keys and values of every position so far, in F16.
///
/// Layout [layer][key/value head][position][head size], so that attention reads one contiguous run per head. Memory is
/// touched, and so really taken, only up to the positions in use.
final class KeyValueCache {
  let capacity: Int
  /// Bytes of a position's keys and values in all layers.
  let bytesPerPosition: Int
  private let headCount: Int
  private let headSize: Int
  private let keys: UnsafeMutablePointer<UInt16>
  private let values: UnsafeMutablePointer<UInt16>

  /// - Parameter capacity: positions to make room for.
  /// - Throws: ``SessionError/contextTooLarge(tokens:bytes:)`` where that many bytes cannot be had.
  init(configuration c: ModelConfiguration, capacity: Int) throws {
    self.capacity = capacity
    headCount = c.keyValueHeadCount
    headSize = c.headSize
    bytesPerPosition = c.layerCount * c.keyValueSize * 2 * MemoryLayout<UInt16>.stride
    let (elements, overflow) = (c.layerCount * c.keyValueSize).multipliedReportingOverflow(by: capacity)
    let (bytes, tooMany) = elements.multipliedReportingOverflow(by: 4)
    func refusal() -> SessionError {
      .contextTooLarge(tokens: capacity, bytes: overflow || tooMany ? .max : bytes)
    }
    guard !overflow, !tooMany, Memory.isWithinLimit(bytes) else { throw refusal() }
    // malloc reports exhaustion; Swift's own allocation would trap.
    guard let keys = malloc(bytes / 2) else { throw refusal() }
    guard let values = malloc(bytes / 2) else {
      free(keys)
      throw refusal()
    }
    self.keys = keys.bindMemory(to: UInt16.self, capacity: elements)
    self.values = values.bindMemory(to: UInt16.self, capacity: elements)
  }

  deinit {
    free(keys)
    free(values)
  }

  /// Keys of one head, [capacity, head size].
  func keys(layer: Int, head: Int) -> UnsafeMutablePointer<UInt16> {
    keys + ((layer * headCount + head) * capacity) * headSize
  }

  /// Values of one head, [capacity, head size].
  func values(layer: Int, head: Int) -> UnsafeMutablePointer<UInt16> {
    values + ((layer * headCount + head) * capacity) * headSize
  }
}
