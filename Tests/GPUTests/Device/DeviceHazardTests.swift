import Testing

@testable import PowerInferGPU

/// Where barriers are, without any device.
struct DeviceHazardTests {
  private final class Buffer: GPUBuffer {
    let byteCount = 1024
    let role = GPUBufferRole.device
    let label = "buffer"
    var hostBytes: UnsafeMutableRawBufferPointer? { nil }
  }

  private final class Kernel: GPUKernel {
    let shader: ShaderDescription
    init(_ bindings: [ShaderDescription.Access]) {
      shader = ShaderDescription(name: "kernel", words: [], bindings: bindings)
    }
  }

  private let a = Buffer()
  private let b = Buffer()
  private let c = Buffer()
  // One buffer read, one written.
  private let kernel = Kernel([.reads, .writes])

  /// "|" for a barrier, a letter for every other step.
  private func record(
    timesStages: Bool = false, _ body: (inout GPURecorder) throws -> Void
  ) rethrows -> String {
    let limits = GPUDescription.Limits(
      bindingBytes: 1 << 20, bufferBytes: 1 << 20, bindingAlignment: 16, bindings: 8, constantBytes: 128,
      sharedBytes: 0, workgroupInvocations: 1, grid: GPUGrid(9, 9, 9), allocations: 1)
    var recorder = GPURecorder(
      limits: limits, options: GPURecordingOptions(timesStages: timesStages), device: ObjectIdentifier(kernel),
      owner: { _ in ObjectIdentifier(kernel) })
    try body(&recorder)
    return recorder.commands.map { command in
      switch command {
      case .dispatch: "d"
      case .copy: "c"
      case .fill: "f"
      case .barrier: "|"
      case .stage: "t"
      case .signalHost: "s"
      case .waitForHost: "w"
      }
    }.joined()
  }

  @Test func readAfterWriteWaits() throws {
    #expect(
      try record {
        try $0.dispatch(kernel, [a.all, b.all], grid: GPUGrid(1))
        try $0.dispatch(kernel, [b.all, c.all], grid: GPUGrid(1))
      } == "d|d")
  }

  @Test func writeAfterReadWaits() throws {
    #expect(
      try record {
        try $0.dispatch(kernel, [a.all, b.all], grid: GPUGrid(1))
        try $0.dispatch(kernel, [c.all, a.all], grid: GPUGrid(1))
      } == "d|d")
  }

  @Test func writeAfterWriteWaits() throws {
    #expect(
      try record {
        try $0.dispatch(kernel, [a.all, b.all], grid: GPUGrid(1))
        try $0.dispatch(kernel, [c.all, b.all], grid: GPUGrid(1))
      } == "d|d")
  }

  @Test func readersStandTogether() throws {
    #expect(
      try record {
        try $0.dispatch(kernel, [a.all, b.all], grid: GPUGrid(1))
        try $0.dispatch(kernel, [a.all, c.all], grid: GPUGrid(1))
      } == "dd")
  }

  @Test func partsOfABufferAreApart() throws {
    #expect(
      try record {
        try $0.dispatch(kernel, [a.all, b.slice(at: 0, byteCount: 512)], grid: GPUGrid(1))
        try $0.dispatch(kernel, [a.all, b.slice(at: 512, byteCount: 512)], grid: GPUGrid(1))
        // One barrier covers both.
        try $0.dispatch(kernel, [b.all, c.all], grid: GPUGrid(1))
        try $0.dispatch(kernel, [b.slice(at: 496, byteCount: 16), a.all], grid: GPUGrid(1))
      } == "dd|dd")
    #expect(
      try record {
        try $0.dispatch(kernel, [a.all, b.slice(at: 0, byteCount: 512)], grid: GPUGrid(1))
        try $0.dispatch(kernel, [b.slice(at: 496, byteCount: 32), c.all], grid: GPUGrid(1))
      } == "d|d")
  }

  @Test func copiesFillsAndCountsCount() throws {
    #expect(
      try record {
        try $0.fill(a.all)
        try $0.copy(from: a.all, to: b.all)
        try $0.dispatch(kernel, [b.all, c.all], grid: GPUGrid(1))
        try $0.dispatchIndirect(kernel, [a.all, b.all], constantBytes: [], counts: c.slice(at: 0, byteCount: 12))
        try $0.fill(c.slice(at: 16, byteCount: 4))
        try $0.fill(c.slice(at: 8, byteCount: 4))
      } == "f|c|d|df|f")
  }

  /// A later step may depend on one before the last barrier, which it need not wait for again.
  @Test func barriersCoverAllBefore() throws {
    #expect(
      try record {
        try $0.fill(a.all)
        try $0.fill(b.all)
        try $0.dispatch(kernel, [a.all, c.slice(at: 0, byteCount: 16)], grid: GPUGrid(1))
        try $0.dispatch(kernel, [b.all, c.slice(at: 16, byteCount: 16)], grid: GPUGrid(1))
      } == "ff|dd")
  }

  @Test func handOversAreBarriersThemselves() throws {
    #expect(
      try record {
        try $0.fill(a.all)
        _ = $0.signalHost()
        try $0.fill(a.all)
        _ = $0.waitForHost()
        try $0.fill(a.all)
      } == "fsfwf")
  }

  @Test func timedStagesAreApart() throws {
    func body(_ recorder: inout GPURecorder) throws {
      recorder.stage("one")
      try recorder.fill(a.all)
      recorder.stage("two")
      recorder.stage("three")
      try recorder.fill(b.all)
    }
    #expect(try record(timesStages: true, body) == "tf|ttf")
    #expect(try record(body) == "ff")
  }

  @Test func nothingRunsOnAnEmptyGrid() throws {
    #expect(
      try record {
        try $0.fill(a.all)
        try $0.dispatch(kernel, [a.all, b.all], grid: GPUGrid(0))
        try $0.copy(from: a.slice(at: 0, byteCount: 0), to: b.slice(at: 0, byteCount: 0))
      } == "f")
  }
}
