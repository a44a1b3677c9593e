import Foundation
import PowerInferKernels
import PowerInferModel
import PowerInferPlatform

/// The bytes of key/value pages in memory.
///
/// A page is [layer][key/value head]{keys, values} of ``Kernels/attentionTile`` positions, so that attention reads two contiguous
/// runs per head. The system gives memory as positions come into use; to pages of 2 MiB and more, all at once.
final class PageStore {
  let layout: PageLayout
  private let configuration: ModelConfiguration
  private let layerCount: Int
  private let keyFormat: WeightFormat
  private let valueFormat: WeightFormat
  private let keyBytes: Int  // of one head in a page
  private let valueBytes: Int
  private var pages: [UnsafeMutablePointer<UInt8>?] = []
  private var spare: [UnsafeMutablePointer<UInt8>] = []

  /// Freed pages that are kept for the next use, in bytes.
  private static let spareBytes = 32 << 20

  /// - Parameter layers: the first layers, whose keys and values are kept; `nil` for all.
  /// - Throws: ``EngineError/cacheFormat(_:headSize:)`` where heads cannot be stored in a format.
  init(configuration c: ModelConfiguration, layers: Int? = nil, keys: CacheFormat, values: CacheFormat) throws {
    for format in [keys, values] where c.headSize % format.storage.blockElements != 0 {
      throw EngineError.cacheFormat(format, headSize: c.headSize)
    }
    configuration = c
    layerCount = layers ?? c.layerCount
    (keyFormat, valueFormat) = (keys.storage, values.storage)
    keyBytes = Kernels.attentionTile * keyFormat.rowBytes(columns: c.headSize)
    valueBytes = Kernels.attentionTile * valueFormat.rowBytes(columns: c.headSize)
    let (layer, overflow) = (keyBytes + valueBytes).multipliedReportingOverflow(by: c.keyValueHeadCount)
    layout = PageLayout(
      positions: Kernels.attentionTile,
      layerBytes: Array(repeating: overflow ? .max : layer, count: layerCount))
  }

  deinit { for page in pages.compactMap({ $0 }) + spare { free(page) } }

  func allocate(_ page: PageID) throws {
    let bytes = layout.byteCount
    var memory = spare.popLast()
    if memory == nil {
      // posix_memalign reports exhaustion; Swift's own allocation would trap.
      var raw: UnsafeMutableRawPointer?
      // Each head of each layer lies elsewhere, and pages of 4 KiB would each miss in the TLB.
      let alignment = bytes >= HugePages.pageSize ? HugePages.pageSize : 64
      guard Memory.isWithinLimit(bytes), posix_memalign(&raw, alignment, bytes) == 0, let raw else {
        throw EngineError.outOfCacheMemory(bytes: bytes)
      }
      if bytes >= HugePages.pageSize { HugePages.use(for: raw, size: bytes) }
      memory = raw.assumingMemoryBound(to: UInt8.self)
    }
    while pages.count <= page.index { pages.append(nil) }
    pages[page.index] = memory
  }

  func free(_ page: PageID) {
    guard let memory = pages[page.index] else { return }
    pages[page.index] = nil
    if (spare.count + 1) * layout.byteCount <= Self.spareBytes {
      spare.append(memory)
    } else {
      free(memory)
    }
  }

  func copy(_ source: PageID, to target: PageID, positions: Int) {
    guard let from = pages[source.index], let to = pages[target.index], positions > 0 else { return }
    let block = Kernels.keyBlock
    let keys = (positions + block - 1) / block * block * keyFormat.rowBytes(columns: configuration.headSize)
    let values = positions * valueFormat.rowBytes(columns: configuration.headSize)
    for head in 0..<layerCount * configuration.keyValueHeadCount {
      let start = head * (keyBytes + valueBytes)
      (to + start).update(from: from + start, count: keys)
      (to + start + keyBytes).update(from: from + start + keyBytes, count: values)
    }
  }

  /// The memory of a page.
  subscript(page: PageID) -> UnsafeMutablePointer<UInt8>? { pages[page.index] }

  /// Keys and values of one head in these pages.
  func head(layer: Int, head: Int, pages: UnsafePointer<UnsafeMutablePointer<UInt8>>) -> CacheHead {
    let start = (layer * configuration.keyValueHeadCount + head) * (keyBytes + valueBytes)
    return CacheHead(
      pages: pages, keyOffset: start, valueOffset: start + keyBytes, headSize: configuration.headSize,
      keyFormat: keyFormat, valueFormat: valueFormat)
  }

  private func free(_ memory: UnsafeMutablePointer<UInt8>) { Foundation.free(memory) }
}
