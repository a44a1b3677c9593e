extension GPUDevice {
  /// Measures what it costs to take turns with the device: seconds for one hand-over to the host and one back in the middle of a recording,
  /// with a copy each way.
  ///
  /// - Parameters:
  ///   - byteCount: of each copy, a multiple of 4: a row of activations.
  ///   - turns: of a pass.
  ///   - passes: the median of so many is taken, after one to warm up.
  /// - Throws: ``GPUError``.
  public func measureTurn(byteCount: Int = 16 << 10, turns: Int = 64, passes: Int = 7) throws -> Double {
    let down = try makeBuffer(byteCount: byteCount, role: .hostRead, label: "turns to the host")
    let up = try makeBuffer(byteCount: byteCount, role: .hostWritten, label: "turns from the host")
    let rows = try makeBuffer(byteCount: byteCount, role: .device, label: "turns")
    try up.store([UInt8](repeating: 0, count: byteCount))
    let recording = try record("turns") { recorder in
      for _ in 0..<max(1, turns) {
        try recorder.copy(from: rows.all, to: down.all)
        _ = recorder.signalHost()
        _ = recorder.waitForHost()
        try recorder.copy(from: up.all, to: rows.all)
      }
    }
    var times: [Double] = []
    for pass in 0...max(1, passes) {
      let begin = ContinuousClock.now
      let run = try self.start(recording)
      for turn in 0..<max(1, turns) {
        try run.wait(for: turn)
        try run.proceed(past: turn)
      }
      try run.finish()
      if pass > 0 { times.append((ContinuousClock.now - begin) / .seconds(1) / Double(max(1, turns))) }
    }
    return times.sorted()[times.count / 2]
  }
}
