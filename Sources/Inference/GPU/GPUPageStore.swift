import PowerInferGPU
import PowerInferModel

/// The bytes of key/value pages on a device: four buffers per layer, which pages lie in by number. They grow as pages come into use.
final class GPUPageStore {
  struct Layer {
    var keys: any GPUBuffer
    var values: any GPUBuffer
    /// ``keys`` where there are none.
    var keyScales: any GPUBuffer
    var valueScales: any GPUBuffer
    var capacity: Int  // in pages
  }

  let layout: PageLayout
  let cache: CacheLayout
  private(set) var layers: [Layer] = []
  /// Grows when buffers are replaced: recordings that bind the old ones are void.
  private(set) var generation = 0

  private let device: any GPUDevice
  /// Pages that fit one binding.
  private let most: Int

  private static let firstPages = 8

  /// - Parameters:
  ///   - layers: those whose cache is here.
  ///   - contextSize: positions to have room for from the beginning; `nil` for a few.
  /// - Throws: ``EngineError/cacheFormat(_:headSize:)`` where heads cannot be stored in a format, `GPUError` where there is no memory.
  init(
    configuration c: ModelConfiguration, layers count: Int, keys: CacheFormat, values: CacheFormat,
    contextSize: Int? = nil, on device: any GPUDevice
  ) throws {
    let cache = try Self.cacheLayout(c, keys: keys, values: values)
    self.cache = cache
    self.device = device
    let bytes = cache.keyPageBytes + cache.valuePageBytes + cache.keyScalePageBytes + cache.valueScalePageBytes
    layout = PageLayout(
      positions: CacheLayout.pagePositions, layerBytes: Array(repeating: bytes, count: count))
    let limits = device.description.limits
    most = min(limits.bindingBytes, limits.bufferBytes) / max(cache.keyPageBytes, cache.valuePageBytes)
    let pages = contextSize.map { layout.pages(for: $0) } ?? Self.firstPages
    for _ in 0..<count { layers.append(try makeLayer(min(pages, most))) }
  }

  /// - Throws: ``EngineError/cacheFormat(_:headSize:)`` where heads cannot be stored in a format.
  static func cacheLayout(_ c: ModelConfiguration, keys: CacheFormat, values: CacheFormat) throws -> CacheLayout {
    func format(_ format: CacheFormat) -> CacheLayout.Format { format == .f16 ? .f16 : .q8_0 }
    guard
      let cache = CacheLayout(
        keyFormat: format(keys), valueFormat: format(values), keyValueHeads: c.keyValueHeadCount, headSize: c.headSize)
    else { throw EngineError.cacheFormat(keys == .f16 ? values : keys, headSize: c.headSize) }
    return cache
  }

  private func makeLayer(_ pages: Int) throws -> Layer {
    func buffer(_ bytes: Int, _ label: String) throws -> any GPUBuffer {
      try device.makeBuffer(byteCount: bytes * pages, role: .device, label: label)
    }
    let keys = try buffer(cache.keyPageBytes, "keys")
    let values = try buffer(cache.valuePageBytes, "values")
    return Layer(
      keys: keys, values: values,
      keyScales: cache.keyScalePageBytes > 0 ? try buffer(cache.keyScalePageBytes, "scales of keys") : keys,
      valueScales: cache.valueScalePageBytes > 0 ? try buffer(cache.valueScalePageBytes, "scales of values") : values,
      capacity: pages)
  }

  /// Buffers with the bytes of a page in each.
  private func runs(_ layer: Layer) -> [(buffer: any GPUBuffer, bytes: Int)] {
    [
      (layer.keys, cache.keyPageBytes), (layer.values, cache.valuePageBytes),
      (layer.keyScales, cache.keyScalePageBytes), (layer.valueScales, cache.valueScalePageBytes),
    ].filter { $0.1 > 0 }
  }

  /// Whether buffers have to be replaced for a page.
  func grows(for page: PageID) -> Bool { layers.contains { $0.capacity <= page.index } }

  /// - Throws: ``EngineError/outOfCacheMemory(bytes:)``, and what else the device says.
  func allocate(_ page: PageID) throws {
    guard grows(for: page) else { return }
    let needed = page.index + 1
    guard needed <= most else { throw EngineError.outOfCacheMemory(bytes: layout.byteCount) }
    let wanted = min(most, max(needed, 2 * (layers.map(\.capacity).min() ?? 0)))
    do {
      do {
        try grow(to: wanted, needed: needed)
      } catch let error as GPUError where error.isShortOfMemory && wanted > needed {
        // Twice as many do not fit, but one more may.
        try grow(to: needed, needed: needed)
      }
    } catch let error as GPUError where error.isShortOfMemory {
      throw EngineError.outOfCacheMemory(bytes: layout.byteCount)
    }
  }

  private func grow(to pages: Int, needed: Int) throws {
    for index in layers.indices where layers[index].capacity < needed { try grow(index, to: pages) }
  }

  private func grow(_ index: Int, to pages: Int) throws {
    let old = layers[index]
    let new = try makeLayer(pages)
    try device.run(
      device.record("a larger cache") { recorder in
        for (source, target) in zip(runs(old), runs(new)) {
          let bytes = source.bytes * old.capacity
          try recorder.copy(
            from: source.buffer.slice(at: 0, byteCount: bytes), to: target.buffer.slice(at: 0, byteCount: bytes))
        }
      })
    layers[index] = new
    generation += 1
  }

  /// Copies a whole page: what lies behind its first positions is not read.
  func copy(_ source: PageID, to target: PageID) throws {
    try device.run(
      device.record("a page's copy") { recorder in
        for layer in layers {
          for (buffer, bytes) in runs(layer) {
            try recorder.copy(
              from: buffer.slice(at: source.index * bytes, byteCount: bytes),
              to: buffer.slice(at: target.index * bytes, byteCount: bytes))
          }
        }
      })
  }

  /// Bytes that the buffers take.
  var byteCount: Int { layers.reduce(0) { sum, layer in sum + (layout.layerBytes.first ?? 0) * layer.capacity } }
}
