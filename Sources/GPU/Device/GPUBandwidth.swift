/// How fast kernels read a device's memory.
public struct GPUBandwidth: Sendable, Equatable {
  /// Bytes read in each pass.
  public var byteCount: Int
  /// Bytes per second of each pass; the first, which may include a clock that is still rising, is left out.
  public var passes: [Double]

  /// Bytes per second of the best pass.
  public var best: Double { passes.max() ?? 0 }
  public var median: Double { passes.isEmpty ? 0 : passes.sorted()[passes.count / 2] }
}

extension GPUDevice {
  /// Measures how fast kernels read memory, by a kernel that adds up large buffers. Takes the memory for that meanwhile.
  ///
  /// - Parameters:
  ///   - byteCount: how much to go through; should be several times what the device's caches hold. Nil takes 512 MiB, and 64 MiB on
  ///     software devices, which are slow; neither more than a quarter of the budget that is left.
  ///   - passes: how often.
  /// - Throws: ``GPUError``, for instance where the memory is not to be had.
  public func measureBandwidth(byteCount: Int? = nil, passes: Int = 7) throws -> GPUBandwidth {
    let shader = ShaderName.bandwidth.shader(for: description.features)
    let kernel = try kernel(shader)
    // What one workgroup goes through, as the kernel has it.
    let groupBytes = 256 * 16 * 16
    let limits = description.limits
    let wanted = byteCount ?? (description.kind == .software ? 64 << 20 : 512 << 20)
    let room = max(0, usage.deviceBudget - usage.deviceBytes) / 4
    let most = min(limits.bindingBytes, limits.bufferBytes, 128 << 20, limits.grid.x * groupBytes)
    var left = max(groupBytes, min(wanted, room))
    var buffers: [(source: any GPUBuffer, totals: any GPUBuffer)] = []
    while left >= groupBytes {
      let count = min(left, most) / groupBytes
      buffers.append(
        (
          try makeBuffer(byteCount: count * groupBytes, role: .device, label: "bandwidth"),
          try makeBuffer(byteCount: count * 4, role: .device, label: "bandwidth's totals")
        ))
      left -= count * groupBytes
    }
    // Memory that nobody has written may not be there yet, and be read faster than any other.
    try run(record("filling") { for buffer in buffers { try $0.fill(buffer.source.all, with: 1) } })
    let recording = try record("bandwidth", options: GPURecordingOptions(timesStages: true)) { recorder in
      recorder.stage("reading")
      for buffer in buffers {
        try recorder.dispatch(
          kernel, [buffer.source.all, buffer.totals.all], grid: GPUGrid(buffer.source.byteCount / groupBytes))
      }
    }
    let total = buffers.reduce(0) { $0 + $1.source.byteCount }
    var speeds: [Double] = []
    for pass in 0...max(1, passes) {
      let start = ContinuousClock.now
      try run(recording)
      let elapsed = ContinuousClock.now - start
      // The device's own clock leaves out what starting costs.
      let measured = try recording.timings.first.map { $0.nanoseconds / 1e9 }
      let seconds = measured ?? elapsed / .seconds(1)
      if pass > 0, seconds > 0 { speeds.append(Double(total) / seconds) }
    }
    for buffer in buffers {
      let totals = try download(UInt32.self, from: buffer.totals, count: buffer.totals.byteCount / 4)
      // Every word is 1: a kernel that left some out would have a speed for nothing.
      guard totals.allSatisfy({ $0 == UInt32(groupBytes / 4) }) else {
        throw GPUError.wrongSum(device: description.name)
      }
    }
    return GPUBandwidth(byteCount: total, passes: speeds)
  }
}
