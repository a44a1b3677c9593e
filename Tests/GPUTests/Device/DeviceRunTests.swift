import Foundation
import Testing

@testable import PowerInferGPU

/// Kernels, copies, grids from buffers, replays.
@Suite(.enabled(if: TestDevice.isPresent, TestDevice.skipped))
struct DeviceRunTests {
  @Test func describesWhatItFinds() throws {
    let description = try #require(TestDevice.description)
    #expect(!description.name.isEmpty)
    #expect(!description.driver.isEmpty)
    #expect(description.memory.total > 0)
    // What every implementation of version 1.3 has at least.
    #expect(description.limits.bindingBytes >= 1 << 27)
    #expect(description.limits.grid.x >= 65535)
    #expect(description.limits.constantBytes >= 128)
    #expect(description.limits.bufferBytes >= 1 << 30)
    #expect(description.subgroupWidths.lowerBound >= 1)
    #expect(description.features.contains(.subgroupArithmetic))
    #expect(description.identity.count == 16 + 48)
  }

  @Test func runsAKernel() throws {
    try withDevice { device in
      let count = 1000
      let numbers = (0..<UInt32(count)).map { $0 }
      let source = try device.makeBuffer(byteCount: count * 4, role: .device, label: "source")
      let target = try device.makeBuffer(byteCount: count * 4, role: .hostRead, label: "target")
      try device.upload(numbers, to: source)
      let kernel = try device.kernel(.transform)
      let biased = try device.kernel(.transform, specialization: [1000])
      let plain = try device.record("plain") { try $0.transform(kernel, source.all, target.all, factor: 3, addend: 7) }
      let special = try device.record("special") {
        try $0.transform(biased, source.all, target.all, factor: 3, addend: 7)
      }
      try device.run(plain)
      #expect(try target.load(UInt32.self, count: count) == numbers.map { $0 * 3 + 7 })
      try device.run(special)
      #expect(try target.load(UInt32.self, count: count) == numbers.map { $0 * 3 + 1007 })
      #expect(try device.download(UInt32.self, from: source, count: count) == numbers)
    }
  }

  @Test func chainsDependentSteps() throws {
    try withDevice { device in
      let count = 4096
      let first = try device.makeBuffer(byteCount: count * 4, role: .device, label: "first")
      let second = try device.makeBuffer(byteCount: count * 4, role: .device, label: "second")
      let kernel = try device.kernel(.transform)
      let steps = 100
      let recording = try device.record("chain") { recorder in
        try recorder.fill(first.all, with: 5)
        for step in 0..<steps {
          let (from, to) = step.isMultiple(of: 2) ? (first, second) : (second, first)
          try recorder.transform(kernel, from.all, to.all, factor: 1, addend: UInt32(step))
        }
      }
      for _ in 0..<3 {
        try device.run(recording)
        let expected = UInt32(5 + steps * (steps - 1) / 2)
        #expect(
          try device.download(UInt32.self, from: first, count: count) == [UInt32](repeating: expected, count: count))
      }
    }
  }

  @Test func copiesAndFillsParts() throws {
    try withDevice { device in
      let buffer = try device.makeBuffer(byteCount: 64, role: .device, label: "buffer")
      let recording = try device.record("parts") { recorder in
        try recorder.fill(buffer.all, with: 1)
        try recorder.fill(buffer.slice(at: 8, byteCount: 8), with: 2)
        try recorder.copy(from: buffer.slice(at: 8, byteCount: 4), to: buffer.slice(at: 60, byteCount: 4))
      }
      try device.run(recording)
      #expect(
        try device.download(UInt32.self, from: buffer, count: 16) == [1, 1, 2, 2] + [UInt32](repeating: 1, count: 11)
          + [2])
    }
  }

  @Test func takesTheGridFromABuffer() throws {
    try withDevice { device in
      let count = 1000
      let parameters = try device.makeBuffer(byteCount: 4, role: .hostWritten, label: "parameters")
      let groups = try device.makeBuffer(byteCount: 12, role: .device, label: "groups")
      let source = try device.makeBuffer(byteCount: count * 4, role: .device, label: "source")
      let target = try device.makeBuffer(byteCount: count * 4, role: .hostRead, label: "target")
      try device.upload([UInt32](repeating: 4, count: count), to: source)
      let (counts, transform) = (try device.kernel(.counts), try device.kernel(.transform))
      let recording = try device.record("indirect") { recorder in
        try recorder.fill(target.all)
        try recorder.dispatch(counts, [parameters.all, groups.all], grid: GPUGrid(1))
        try recorder.dispatchIndirect(
          transform, [source.all, target.all],
          constants: ShaderDescription.TransformConstants(count: UInt32(count), factor: 2, addend: 0),
          counts: groups.all)
      }
      // Recorded once; the host says each time how much of it runs.
      for wanted in [0, 1, 64, 65, 500, 1000] {
        try parameters.store(UInt32(wanted))
        try device.run(recording)
        let done = min(count, (wanted + 63) / 64 * 64)
        #expect(
          try target.load(UInt32.self, count: count)
            == [UInt32](repeating: 8, count: done) + [UInt32](repeating: 0, count: count - done))
      }
    }
  }

  @Test func timesStages() throws {
    try withDevice { device in
      let buffer = try device.makeBuffer(byteCount: 1 << 20, role: .device, label: "buffer")
      let kernel = try device.kernel(.transform)
      func body(_ recorder: inout GPURecorder) throws {
        recorder.stage("fill")
        try recorder.fill(buffer.all, with: 1)
        recorder.stage("nothing")
        recorder.stage("add")
        try recorder.transform(kernel, buffer.slice(at: 0, byteCount: 512), buffer.slice(at: 512, byteCount: 512))
      }
      let plain = try device.record("plain", body)
      try device.run(plain)
      #expect(try plain.timings.isEmpty)
      let timed = try device.record("timed", options: GPURecordingOptions(timesStages: true), body)
      #expect(try timed.timings.isEmpty)
      for _ in 0..<2 {
        try device.run(timed)
        guard device.description.nanosecondsPerTick != nil else { return }
        let timings = try timed.timings
        #expect(timings.map(\.label) == ["fill", "nothing", "add"])
        #expect(timings.allSatisfy { $0.nanoseconds >= 0 && $0.nanoseconds < 60e9 })
        #expect(timings[0].nanoseconds > 0)
      }
    }
  }

  @Test func refusesWhatDoesNotFit() throws {
    try withDevice { device in
      let limits = device.description.limits
      let buffer = try device.makeBuffer(byteCount: 1024, role: .device, label: "numbers")
      let kernel = try device.kernel(.transform)
      func message(_ body: (inout GPURecorder) throws -> Void) -> String? {
        do {
          _ = try device.record("test", body)
          return nil
        } catch { return "\(error)" }
      }
      let constants = ShaderDescription.TransformConstants(count: 1, factor: 1, addend: 1)
      #expect(
        message { try $0.dispatch(kernel, [buffer.all], constants: constants, grid: GPUGrid(1)) }
          == "The kernel \"transform\" binds 2 buffers, but 1 were given.")
      #expect(
        message { try $0.dispatch(kernel, [buffer.all, buffer.all], constants: UInt32(1), grid: GPUGrid(1)) }
          == "The kernel \"transform\" takes 12 bytes of constants, but 4 were given.")
      #expect(
        message { try $0.transform(kernel, buffer.slice(at: 512, byteCount: 513), buffer.all) }
          == "The buffer \"numbers\" has 1024 bytes, where 513 from 512 on were asked for.")
      #expect(
        message { try $0.transform(kernel, buffer.slice(at: 1, byteCount: 4), buffer.all) }
          == "A multiple of \(limits.bindingAlignment) was expected for a part of the buffer \"numbers\", not 1.")
      #expect(
        message { try $0.transform(kernel, buffer.slice(at: 0, byteCount: 0), buffer.all) }
          == "The kernel \"transform\" was to bind 0 bytes of the buffer \"numbers\", where 1 to \(limits.bindingBytes) "
          + "are possible.")
      let grid = GPUGrid(1, limits.grid.y + 1)
      #expect(
        message { try $0.dispatch(kernel, [buffer.all, buffer.all], constants: constants, grid: grid) }
          == "The kernel \"transform\" was to run on 1 x \(limits.grid.y + 1) x 1 workgroups, where at most "
          + "\(limits.grid.x) x \(limits.grid.y) x \(limits.grid.z) are possible.")
      #expect(
        message { try $0.copy(from: buffer.slice(at: 0, byteCount: 8), to: buffer.slice(at: 4, byteCount: 8)) }
          == "A copy within the buffer \"numbers\" overlaps itself.")
      #expect(
        message { try $0.copy(from: buffer.slice(at: 0, byteCount: 8), to: buffer.slice(at: 16, byteCount: 4)) }
          == "A part of the buffer \"numbers\" has 4 bytes, where 8 were expected.")
      #expect(
        message { try $0.fill(buffer.slice(at: 2, byteCount: 8)) }
          == "A multiple of 4 was expected for a part of the buffer \"numbers\", not 2.")
      #expect(
        message {
          try $0.dispatchIndirect(kernel, [buffer.all, buffer.all], constants: constants, counts: buffer.all)
        } == "A part of the buffer \"numbers\" has 1024 bytes, where 12 were expected.")
      #expect(throws: GPUError.notVisible(buffer: "numbers")) { try buffer.store(UInt32(1)) }
      #expect(throws: GPUError.uploadSize(buffer: "numbers", expected: 4, found: 2)) {
        try [UInt8](repeating: 0, count: 2).withUnsafeBytes {
          try device.upload($0, to: buffer.slice(at: 0, byteCount: 4))
        }
      }
      #expect(throws: GPUError.self) { try device.upload([UInt32](repeating: 0, count: 257), to: buffer) }
      #expect(throws: GPUError.specialization(kernel: "transform", expected: 1, found: 2)) {
        try device.kernel(.transform, specialization: [1, 2])
      }
      var odd = ShaderDescription.transform
      odd.constantBytes = 13
      #expect(throws: GPUError.shaderConstants(kernel: "transform", found: 13, limit: limits.constantBytes)) {
        try device.kernel(odd)
      }
      var special = ShaderDescription.transform
      special.features = GPUFeatures(rawValue: 1 << 31)
      #expect(throws: GPUError.self) { try device.kernel(special) }
    }
  }

  @Test func keepsDevicesApart() throws {
    try withDevice { one in
      try withDevice { other in
        let mine = try one.makeBuffer(byteCount: 64, role: .device, label: "mine")
        let theirs = try other.makeBuffer(byteCount: 64, role: .device, label: "theirs")
        let kernel = try one.kernel(.transform)
        #expect(throws: GPUError.foreign(label: "theirs")) {
          try one.record("mixed") { try $0.transform(kernel, mine.all, theirs.all) }
        }
        #expect(throws: GPUError.foreign(label: "transform")) {
          try other.record("mixed") { try $0.transform(kernel, theirs.all, theirs.all) }
        }
        let recording = try one.record("one") { try $0.fill(mine.all) }
        #expect(throws: GPUError.foreign(label: "one")) { try other.run(recording) }
        #expect(throws: GPUError.foreign(label: "theirs")) { try one.upload([UInt32(1)], to: theirs) }
        #expect(throws: GPUError.foreign(label: "theirs")) { try one.download(theirs.all) }
      }
    }
  }

  @Test func outlivesItsDevice() throws {
    let calls = try {
      let device = try TestDevice.open()
      let buffer = try device.makeBuffer(byteCount: 64, role: .hostWritten, label: "kept")
      return (device.context.calls, buffer)
    }()
    // The buffer alone keeps what it needs.
    try calls.1.store(UInt32(7))
    #expect(try calls.1.load(UInt32.self, count: 1) == [7])
    #expect(calls.0.objects["vkCreateDevice"] == 1)
  }
}
