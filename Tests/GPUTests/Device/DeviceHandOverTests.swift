import Foundation
import Testing

@testable import PowerInferGPU

/// Device and host take turns within one submission.
@Suite(.enabled(if: TestDevice.isPresent, TestDevice.skipped))
struct DeviceHandOverTests {
  /// Each turn the device adds 1, the host doubles.
  @Test func takesTurns() throws {
    let faults = Faults()
    try withDevice(faults: faults) { device in
      let turns = 64
      let toHost = try device.makeBuffer(byteCount: 256, role: .hostRead, label: "to host")
      let fromHost = try device.makeBuffer(byteCount: 256, role: .hostWritten, label: "from host")
      let kernel = try device.kernel(.transform)
      let recording = try device.record("turns") { recorder in
        for turn in 0..<turns {
          #expect(recorder.waitForHost() == turn)
          try recorder.transform(kernel, fromHost.all, toHost.all, addend: 1)
          #expect(recorder.signalHost() == turn)
        }
      }
      #expect(recording.signals == turns)
      #expect(recording.awaits == turns)
      for start in [UInt32(0), 5] {
        faults.fail("vkQueueSubmit2", at: 1, code: -1)
        var expected = start
        try fromHost.store([UInt32](repeating: start, count: 64))
        let run = try device.start(recording)
        for turn in 0..<turns {
          try run.proceed(past: turn)
          try run.wait(for: turn)
          expected = expected &+ 1
          #expect(try toHost.load(UInt32.self, count: 64) == [UInt32](repeating: expected, count: 64))
          expected = expected &* 2
          try fromHost.store([UInt32](repeating: expected, count: 64))
        }
        try run.finish()
        // A second submission would have failed.
        #expect(faults.failed == nil)
      }
    }
  }

  /// The device works on while the host does, and they meet later.
  @Test func worksOnMeanwhile() throws {
    try withDevice { device in
      let (first, second) = (
        try device.makeBuffer(byteCount: 256, role: .hostRead, label: "first"),
        try device.makeBuffer(byteCount: 256, role: .hostRead, label: "second")
      )
      let fromHost = try device.makeBuffer(byteCount: 256, role: .hostWritten, label: "from host")
      let sum = try device.makeBuffer(byteCount: 256, role: .hostRead, label: "sum")
      let kernel = try device.kernel(.transform)
      let recording = try device.record("halves") { recorder in
        try recorder.fill(first.all, with: 1)
        _ = recorder.signalHost()
        try recorder.fill(second.all, with: 2)
        _ = recorder.signalHost()
        _ = recorder.waitForHost()
        try recorder.transform(kernel, fromHost.all, sum.all, addend: 10)
      }
      let run = try device.start(recording)
      // Both are reached without the host's doing anything.
      try run.wait(for: 1)
      try run.wait(for: 0)
      #expect(try first.load(UInt32.self, count: 1) == [1])
      #expect(try second.load(UInt32.self, count: 1) == [2])
      try fromHost.store([UInt32](repeating: 30, count: 64))
      try run.proceed(past: 0)
      try run.finish()
      try run.finish()
      #expect(try sum.load(UInt32.self, count: 64) == [UInt32](repeating: 40, count: 64))
      #expect(throws: GPUError.handOver(recording: "halves", number: 2, count: 2)) { try run.wait(for: 2) }
      #expect(throws: GPUError.handOver(recording: "halves", number: 1, count: 1)) { try run.proceed(past: 1) }
    }
  }

  @Test func refusesToRunTwiceAtOnce() throws {
    try withDevice { device in
      let recording = try device.record("waiting") { _ = $0.waitForHost() }
      let run = try device.start(recording)
      #expect(throws: GPUError.busy(recording: "waiting")) { try device.start(recording) }
      try run.proceed(past: 0)
      try run.finish()
      // Dropped without a word: abandoned, and the recording is free again.
      for _ in 0..<3 { _ = try device.start(recording) }
      let last = try device.start(recording)
      try last.proceed(past: 0)
      try last.finish()
    }
  }

  @Test func abandonsWhatTheHostGivesUp() throws {
    try withDevice { device in
      let buffer = try device.makeBuffer(byteCount: 64, role: .hostRead, label: "buffer")
      let recording = try device.record("long") { recorder in
        for turn in 0..<10 {
          _ = recorder.waitForHost()
          try recorder.fill(buffer.all, with: UInt32(turn))
        }
      }
      let run = try device.start(recording)
      try run.proceed(past: 3)
      run.abandon()
      // The device has come to the end all the same.
      #expect(try buffer.load(UInt32.self, count: 1) == [9])
      run.abandon()
      let again = try device.start(recording)
      try again.proceed(past: 9)
      try again.finish()
    }
  }

  /// Several recordings as one submission; their hand-overs are numbered on.
  @Test func chainsRecordings() throws {
    let faults = Faults()
    try withDevice(faults: faults) { device in
      let (a, b) = (
        try device.makeBuffer(byteCount: 256, role: .hostRead, label: "a"),
        try device.makeBuffer(byteCount: 256, role: .hostRead, label: "b")
      )
      let fromHost = try device.makeBuffer(byteCount: 256, role: .hostWritten, label: "from host")
      let kernel = try device.kernel(.transform)
      func add(_ recorder: inout GPURecorder, _ addend: UInt32) throws {
        try recorder.transform(kernel, a.all, b.all, addend: addend)
        try recorder.copy(from: b.all, to: a.all)
      }
      let load = try device.record("load") { recorder in
        try recorder.copy(from: fromHost.all, to: a.all)
      }
      let one = try device.record("one") { try add(&$0, 1) }
      let ten = try device.record("ten") { recorder in
        _ = recorder.waitForHost()
        try add(&recorder, 10)
        _ = recorder.signalHost()
      }
      let hundred = try device.record("hundred") { recorder in
        try add(&recorder, 100)
        _ = recorder.signalHost()
        _ = recorder.waitForHost()
        _ = recorder.waitForHost()
        try add(&recorder, 1000)
      }
      for round in [UInt32(0), 7] {
        faults.fail("vkQueueSubmit2", at: 1, code: -1)
        try fromHost.store([UInt32](repeating: round, count: 64))
        let run = try device.start([load, one, ten, hundred])
        try run.proceed(past: 0)
        try run.wait(for: 0)
        try run.wait(for: 1)
        #expect(try a.load(UInt32.self, count: 64) == [UInt32](repeating: round + 111, count: 64))
        try run.proceed(past: 2)
        try run.finish()
        #expect(try a.load(UInt32.self, count: 64) == [UInt32](repeating: round + 1111, count: 64))
        #expect(faults.failed == nil)
        #expect(throws: GPUError.handOver(recording: "load, one, ten, hundred", number: 2, count: 2)) {
          try run.wait(for: 2)
        }
        #expect(throws: GPUError.handOver(recording: "load, one, ten, hundred", number: 3, count: 3)) {
          try run.proceed(past: 3)
        }
        faults.stop()
      }
      // All waits at once, and none.
      let run = try device.start([ten, one, hundred])
      try run.proceed(past: 2)
      try run.finish()
      _ = try device.start([ten, one, hundred])
      #expect(throws: GPUError.busy(recording: "one")) { try device.start([one, load, one]) }
      #expect(throws: GPUError.nothingToStart) { try device.start([]) }
      // Whatever began is free again.
      try device.start([one, load]).finish()
    }
  }

  @Test func cutsAtHandOvers() throws {
    func segments(_ text: String) -> String {
      let commands: [GPUCommand] = text.map {
        switch $0 {
        case "s": .signalHost
        case "w": .waitForHost
        default: .barrier
        }
      }
      let (segments, signals) = VulkanRecording.segments(commands)
      return segments.map { "\($0.commands.count)\($0.wait.map { "w\($0)" } ?? "")" }.joined(separator: " ") + "; "
        + signals.map { "\($0)" }.joined(separator: " ")
    }
    #expect(segments("") == "0; ")
    #expect(segments("xxx") == "3; ")
    #expect(segments("xxsx") == "2 1; 0")
    #expect(segments("xs") == "1; 0")
    #expect(segments("s") == "0; 0")
    #expect(segments("sx") == "0 1; 0")
    #expect(segments("xssx") == "1 1; 0 0")
    #expect(segments("xswx") == "1 1w0; 0")
    #expect(segments("xwx") == "1 1w0; ")
    #expect(segments("wx") == "1w0; ")
    #expect(segments("wwx") == "1w1; ")
    #expect(segments("w") == "0w0; ")
    #expect(segments("xw") == "1 0w0; ")
    #expect(segments("wsx") == "0w0 1; 0")
    #expect(segments("xsxws") == "1 1 0w0; 0 2")
  }
}
