import Foundation
import PowerInferModel
import PowerInferTestKit
import Testing

@testable import PowerInfer

/// Pages of the cache on the processor, of which several may share an allocation.
struct PageStoreTests {
  private func store(layers: Int, headSize: Int) throws -> PageStore {
    let folder = try TemporaryFolder()
    var tiny = TinyModel(layers: layers)
    tiny.headSize = headSize
    let model = try LanguageModel(opening: tiny.write(to: folder.file("model.gguf")))
    return try PageStore(configuration: model.configuration, keys: .f16, values: .f16)
  }

  /// Writes to every byte of a page.
  private func mark(_ page: Int, in store: PageStore) throws {
    try #require(store[PageID(page)]).update(repeating: UInt8(truncatingIfNeeded: page), count: store.layout.byteCount)
  }

  private func isMarked(_ page: Int, in store: PageStore) -> Bool {
    guard let memory = store[PageID(page)] else { return false }
    return isFilled(memory, UInt8(truncatingIfNeeded: page), count: store.layout.byteCount)
  }

  private func isFilled(_ memory: UnsafePointer<UInt8>, _ value: UInt8, count: Int) -> Bool {
    memory[0] == value && memcmp(memory, memory + 1, count - 1) == 0
  }

  /// Pages of 16 KiB, of 512 KiB (16 of a block) and of 2.5 MiB (3 of a block).
  @Test(arguments: [(1, 32), (16, 64), (20, 256)]) func pagesKeepWhatIsWritten(layers: Int, headSize: Int) throws {
    let store = try store(layers: layers, headSize: headSize)
    #expect(store.layout.byteCount == 64 * layers * 2 * 2 * headSize * 2)
    for page in 0..<40 {
      try store.allocate(PageID(page))
      try mark(page, in: store)
    }
    // Whole blocks become free, and parts of others.
    for page in 0..<40 where page < 24 || page % 2 == 0 { store.free(PageID(page)) }
    for page in 0..<40 { #expect((store[PageID(page)] == nil) == (page < 24 || page % 2 == 0)) }
    for page in 40..<60 {
      try store.allocate(PageID(page))
      try mark(page, in: store)
    }
    for page in 24..<60 where page >= 40 || page % 2 == 1 { #expect(isMarked(page, in: store)) }
    // A number that is free may be used again; freeing nothing is nothing.
    store.free(PageID(0))
    try store.allocate(PageID(0))
    store.copy(PageID(25), to: PageID(0), positions: 64)
    try mark(25, in: store)
    let copied = try #require(store[PageID(0)])
    #expect(isFilled(copied, 25, count: store.layout.byteCount))
    for page in 0..<60 { store.free(PageID(page)) }
    try store.allocate(PageID(3))
    try mark(3, in: store)
    #expect(isMarked(3, in: store))
  }
}
