import Testing

@testable import PowerInferGPU

@Suite(.enabled(if: TestDevice.isPresent, TestDevice.skipped))
struct DeviceBandwidthTests {
  @Test func measuresBandwidth() throws {
    try withDevice(GPUOptions(deviceBudget: 64 << 20)) { device in
      let result = try device.measureBandwidth(byteCount: 5 << 20, passes: 3)
      #expect(result.byteCount == 5 << 20)
      #expect(result.passes.count == 3)
      #expect(result.best >= result.median && result.median > 0)
      // It gives everything back.
      #expect(device.usage.buffers == 0)
      // A quarter of what is left.
      #expect(try device.measureBandwidth(passes: 1).byteCount == 16 << 20)
    }
  }

  /// A turn is measured, and nothing stays behind; it lasts no longer than the whole measurement.
  @Test func turns() throws {
    try withDevice { device in
      let before = device.usage
      let start = ContinuousClock.now
      let turn = try device.measureTurn(byteCount: 4096, turns: 8, passes: 3)
      #expect(turn > 0 && turn * 8 * 2 < (ContinuousClock.now - start) / .seconds(1))
      #expect(device.usage == before)
    }
  }
}
