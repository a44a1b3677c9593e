import Foundation
import PowerInferKernels
import PowerInferModel
import PowerInferPlatform

/// The bytes of key/value pages in memory.
///
/// A page is [layer][key/value head]{keys, values} of ``Kernels/attentionTile`` positions, so that attention reads two contiguous
/// runs per head. Every head of every layer lies somewhere else, which would cost a TLB miss for each 4 KiB. So pages of 256 KiB and
/// more lie in huge pages of the system, as many side by side as fit into a block of 8 MiB. The system gives memory when it is first
/// written, 2 MiB at a time in huge pages.
final class PageStore {
  let layout: PageLayout
  private let configuration: ModelConfiguration
  private let layerCount: Int
  private let keyFormat: WeightFormat
  private let valueFormat: WeightFormat
  private let keyBytes: Int  // of one head in a page
  private let valueBytes: Int
  private var pages: [Place?] = []
  /// By number; `nil` for numbers that are free.
  private var blocks: [Block?] = []
  /// Numbers of the blocks that have spare pages.
  private var open: [Int] = []
  private let pagesPerBlock: Int
  private var spareCount = 0

  /// Freed pages that are kept for the next use, in bytes.
  private static let spareBytes = 32 << 20
  /// Smaller pages get ordinary memory, each its own.
  private static let leastHugeBytes = 256 << 10
  /// The most bytes of a block that has several pages.
  private static let blockBytes = 8 << 20

  /// Where a page is.
  private struct Place {
    let block: Int
    let memory: UnsafeMutablePointer<UInt8>
  }

  /// Memory of one allocation.
  private struct Block {
    let memory: UnsafeMutablePointer<UInt8>
    /// Its pages that are not in use.
    var spare: [UnsafeMutablePointer<UInt8>]
  }

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
    let bytes = layout.byteCount
    pagesPerBlock = bytes < Self.leastHugeBytes ? 1 : max(1, Self.blockBytes / bytes)
  }

  deinit { for block in blocks { Foundation.free(block?.memory) } }

  func allocate(_ page: PageID) throws {
    let number = try open.last ?? addBlock()
    guard let memory = blocks[number]?.spare.popLast() else { return }
    spareCount -= 1
    if blocks[number]?.spare.isEmpty == true { open.removeLast() }
    while pages.count <= page.index { pages.append(nil) }
    pages[page.index] = Place(block: number, memory: memory)
  }

  func free(_ page: PageID) {
    guard let place = pages[page.index], var block = blocks[place.block] else { return }
    pages[page.index] = nil
    if block.spare.isEmpty { open.append(place.block) }
    block.spare.append(place.memory)
    spareCount += 1
    blocks[place.block] = block
    guard block.spare.count == pagesPerBlock, spareCount * layout.byteCount > Self.spareBytes else { return }
    Foundation.free(block.memory)
    blocks[place.block] = nil
    open.removeAll { $0 == place.block }
    spareCount -= pagesPerBlock
  }

  /// - Returns: the number of a block all of whose pages are spare, the last of the open ones.
  private func addBlock() throws -> Int {
    let bytes = layout.byteCount
    // posix_memalign reports exhaustion; Swift's own allocation would trap.
    var raw: UnsafeMutableRawPointer?
    let isHuge = bytes >= Self.leastHugeBytes
    let size = pagesPerBlock.multipliedReportingOverflow(by: bytes)
    guard !size.overflow, Memory.isWithinLimit(size.partialValue),
      posix_memalign(&raw, isHuge ? HugePages.pageSize : 64, size.partialValue) == 0, let raw
    else { throw EngineError.outOfCacheMemory(bytes: bytes) }
    if isHuge { HugePages.use(for: raw, size: size.partialValue) }
    let memory = raw.assumingMemoryBound(to: UInt8.self)
    // The first page is taken first.
    let block = Block(memory: memory, spare: (0..<pagesPerBlock).reversed().map { memory + $0 * bytes })
    spareCount += pagesPerBlock
    let number = blocks.firstIndex { $0 == nil } ?? blocks.count
    if number == blocks.count { blocks.append(block) } else { blocks[number] = block }
    open.append(number)
    return number
  }

  func copy(_ source: PageID, to target: PageID, positions: Int) {
    guard let from = self[source], let to = self[target], positions > 0 else { return }
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
  subscript(page: PageID) -> UnsafeMutablePointer<UInt8>? { pages[page.index]?.memory }

  /// Keys and values of one head in these pages.
  func head(layer: Int, head: Int, pages: UnsafePointer<UnsafeMutablePointer<UInt8>>) -> CacheHead {
    let start = (layer * configuration.keyValueHeadCount + head) * (keyBytes + valueBytes)
    return CacheHead(
      pages: pages, keyOffset: start, valueOffset: start + keyBytes, headSize: configuration.headSize,
      keyFormat: keyFormat, valueFormat: valueFormat)
  }
}
