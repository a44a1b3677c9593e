import Foundation
import Model

/// Keys and values of every position so far, in F16.
///
/// Layout [layer][key/value head][position][head size], so that attention reads one contiguous run per head. Memory is
/// touched, and so really taken, only up to the positions in use.
final class KeyValueCache {
  let capacity: Int
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
    let (elements, overflow) = (c.layerCount * c.keyValueSize).multipliedReportingOverflow(by: capacity)
    // malloc reports exhaustion; Swift's own allocation would trap.
    guard !overflow, elements <= Int.max / 4,
      let keys = malloc(elements * 2), let values = malloc(elements * 2)
    else {
      throw SessionError.contextTooLarge(tokens: capacity, bytes: overflow ? .max : elements &* 4)
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
