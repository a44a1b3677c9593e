import Foundation
import PowerInferKernels
import Synchronization
import Testing

@testable import PowerInfer

@Suite struct MemoryBandwidthTests {
  @Test(arguments: [1, 2, 3])
  func countsWhatItMoves(threads: Int) throws {
    let team = ThreadTeam(workers: threads)
    for kind in MemoryBandwidth.Kind.allCases {
      // A clock that goes on by a millisecond whenever anybody looks.
      let ticks = Atomic<Int>(0)
      let result = try MemoryBandwidth.measure(kind, on: team, bytes: 1 << 20, seconds: 0) {
        Double(ticks.add(1, ordering: .relaxed).newValue) * 0.001
      }
      #expect(result.kind == kind && result.threads == threads)
      // Rounded up to six pages of 64 KiB a thread.
      #expect(result.bufferBytes >= 1 << 20 && result.bufferBytes % (threads * 6 << 16) == 0)
      #expect(result.passes.count == 3)
      if threads == 1 {
        for pass in result.passes { #expect(abs(pass * 0.001 / Double(result.bufferBytes) - 1) < 1e-9) }
      }
      #expect(result.best >= result.median && result.median > 0)
    }
  }

  @Test func passesDoWhatTheySay() throws {
    let buffer = try MemoryBandwidth.Buffer(bytes: 1, parts: 2)
    for part in 0..<2 { buffer.fill(part: part) }
    let floats = buffer.byteCount / 4
    let half = floats / 2
    let values = UnsafeMutableBufferPointer(start: buffer.base.assumingMemoryBound(to: Float.self), count: floats)
    #expect(values.allSatisfy { $0 >= 1 && $0 < 2 })
    #expect(Set(values).count == floats * 4 / 65536 * 2)

    let words = UnsafeRawBufferPointer(start: buffer.base, count: buffer.byteCount).bindMemory(to: UInt64.self)
    let sum = words.reduce(0, &+)
    #expect(buffer.expected(.read) == sum)
    #expect(buffer.pass(.read, part: 0, .active) &+ buffer.pass(.read, part: 1, .active) == sum)

    let third = half / 3
    let (a, b) = (Array(values[..<third]), Array(values[third..<2 * third]))
    #expect(buffer.pass(.triad, part: 0, .active) == 0)
    #expect(Array(values[2 * third..<half]) == zip(a, b).map { $0 + 3 * $1 })
    #expect(buffer.pass(.copy, part: 1, .active) == 0)
    #expect(Array(values[half..<half + half / 2]) == Array(values[(half + half / 2)...]))
    #expect(Array(values[..<third]) == a)
  }

  @Test func refusesWhatTheMachineLacks() {
    let team = ThreadTeam(workers: 1)
    for bytes in [Int.max, 1 << 60] {
      #expect(throws: MemoryBandwidthError.self) { try MemoryBandwidth.measure(.read, on: team, bytes: bytes) }
    }
    #expect(
      "\(MemoryBandwidthError.notEnoughMemory(bytes: 8, limit: 6))"
        == "Measuring the memory takes a buffer of 8 bytes, expected at most half of the 6 bytes of memory here.")
    #expect(
      "\(MemoryBandwidthError.wrongResult(expected: 8, found: 6))"
        == "The words read from memory add up to 6, expected 8.")
  }

  @Test func theMedianLiesInTheMiddle() {
    func median(_ passes: [Double]) -> Double {
      MemoryBandwidth(kind: .read, threads: 1, bufferBytes: 1, passes: passes).median
    }
    #expect(median([]) == 0 && median([3]) == 3 && median([4, 1]) == 2.5 && median([9, 1, 4]) == 4)
  }
}
