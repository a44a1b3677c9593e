import Foundation
import PowerInferTestKit
import Synchronization
import Testing

@testable import PowerInferKernels

struct ThreadTeamTests {
  final class Crowd: Sendable {
    let inside = Atomic<Int>(0)
    let worst = Atomic<Int>(0)
  }

  /// Every member sees what all others wrote before the barrier, round after round.
  @Test(arguments: [1, 2, 3, 5])
  func barriersPublish(_ workers: Int) {
    let team = ThreadTeam(workers: workers)
    #expect(team.count == workers)
    let slots = UnsafeMutablePointer<Int>.allocate(capacity: workers * 16)
    defer { slots.deallocate() }
    slots.initialize(repeating: 0, count: workers * 16)
    let shared = Unguarded(slots)
    let failures = Atomic<Int>(0)
    let rounds = 2000
    for run in 0..<3 {
      team.run { member in
        let slots = shared.value
        for round in 1...rounds {
          slots[member.index * 16] = run * rounds + round
          member.sync()
          for other in 0..<member.count where slots[other * 16] != run * rounds + round {
            failures.add(1, ordering: .relaxed)
          }
          member.sync()
        }
      }
    }
    #expect(failures.load(ordering: .relaxed) == 0)
  }

  /// A member that comes late finds the others parked, and wakes them.
  @Test func parkedMembersWake() {
    let team = ThreadTeam(workers: 3)
    let order = Mutex<[Int]>([])
    for late in 0..<3 {
      team.run { member in
        if member.index == late { Thread.sleep(forTimeInterval: 0.02) }
        member.sync()
        order.withLock { $0.append(late) }
      }
    }
    Thread.sleep(forTimeInterval: 0.02)
    team.run { _ in order.withLock { $0.append(3) } }
    #expect(order.withLock { $0 } == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3])
  }

  @Test func sharesCoverEverythingInOrder() {
    for workers in [1, 2, 3, 7] {
      let team = ThreadTeam(workers: workers)
      for (n, multiple) in [(0, 1), (1, 1), (2, 4), (10, 3), (1536, 32), (49152, 4), (7, 7)] {
        let parts = Mutex<[Int: Range<Int>]>([:])
        team.run { member in
          let part = member.share(of: n, multiple: multiple)
          parts.withLock { $0[member.index] = part }
        }
        let all = parts.withLock { parts in (0..<workers).compactMap { parts[$0] } }
        #expect(all.flatMap { Array($0) } == Array(0..<n))
        #expect(all.allSatisfy { $0.lowerBound % multiple == 0 || $0.isEmpty })
      }
    }
  }

  /// Every piece is done once, whoever does it, list after list, with and without a barrier between two lists.
  @Test(arguments: [1, 2, 3, 5])
  func piecesAreDoneOnce(_ workers: Int) {
    let team = ThreadTeam(workers: workers)
    let sizes = [0, 1, 2, 3, 17, 64, 5]
    let rounds = 300
    let done = (0..<sizes.count).map { sizes[$0] * rounds }.map { UnsafeMutablePointer<Int>.allocate(capacity: $0 + 1) }
    defer { done.forEach { $0.deallocate() } }
    for (list, size) in zip(done, sizes) { list.initialize(repeating: 0, count: size * rounds + 1) }
    let shared = Unguarded(done)
    for half in 0..<2 {
      team.run { member in
        let done = shared.value
        for round in half * rounds / 2..<(half + 1) * rounds / 2 {
          for (index, size) in sizes.enumerated() {
            member.pieces(size) { done[index][round * size + $0] += 1 }
            // Up to four lists without a barrier, and a run that ends without one.
            if index % 4 == 3 || round % 2 == 0 { member.sync() }
          }
          member.sync()
        }
        member.pieces(0) { _ in }
      }
    }
    for (list, size) in zip(done, sizes) { #expect((0..<size * rounds).allSatisfy { list[$0] == 1 }) }
  }

  /// A member that is held up does not hold up the pieces of its stretch that it has not begun, except those that it took at once: none
  /// of a short list, three of a long one.
  @Test(arguments: [(10, 0), (100, 3)]) func othersHelp(pieces: Int, held: Int) {
    let team = ThreadTeam(workers: 2)
    let done = Mutex<[Int: Int]>([:])
    team.run { member in
      member.pieces(pieces) { piece in
        done.withLock { $0[piece] = member.index }
        // Piece 0 ends when all others are done: the rest of its stretch by the other member therefore.
        while piece == 0, done.withLock({ $0.count }) < pieces - held { Thread.sleep(forTimeInterval: 0.001) }
      }
    }
    let workers = done.withLock { $0 }
    #expect(workers.count == pieces)
    #expect((1 + held..<pieces / 2).allSatisfy { workers[$0] != workers[0] })
  }

  @Test func concurrentRunsTakeTurns() async {
    let team = ThreadTeam(workers: 2)
    let crowd = Crowd()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask {
          for _ in 0..<50 {
            team.run { member in
              let now = crowd.inside.add(1, ordering: .acquiringAndReleasing).newValue
              crowd.worst.max(now, ordering: .relaxed)
              member.sync()
              crowd.inside.subtract(1, ordering: .acquiringAndReleasing)
            }
          }
        }
      }
    }
    #expect(crowd.worst.load(ordering: .relaxed) == 2)
    #expect(crowd.inside.load(ordering: .relaxed) == 0)
  }

  @Test func nestedRunsAreAlone() {
    let team = ThreadTeam(workers: 3)
    let seen = Mutex<[Int]>([])
    team.run { _ in
      team.run { member in
        member.sync()
        seen.withLock { $0.append(member.count * 10 + member.index) }
      }
    }
    #expect(seen.withLock { $0 } == [10, 10, 10])
  }

  @Test func manyTeamsComeAndGo() {
    let total = Atomic<Int>(0)
    for round in 0..<100 {
      let team = ThreadTeam(workers: round % 4)
      if round % 3 != 0 { team.run { _ in total.add(1, ordering: .relaxed) } }
    }
    // Teams of 0 (which has one), 1, 2 and 3 workers, of which two in three ran.
    let expected = (0..<100).filter { $0 % 3 != 0 }.reduce(0) { $0 + max($1 % 4, 1) }
    #expect(total.load(ordering: .relaxed) == expected)
  }

  /// A small feed-forward layer gives the same bits for any number of threads.
  @Test func threadCountIsInvisible() {
    let up = OwnedMatrix(.q4_0, rows: 320, columns: 96, seed: 1)
    let gate = OwnedMatrix(.q4_1, rows: 320, columns: 96, seed: 2)
    let down = OwnedMatrix(.q8_0, rows: 320, columns: 96, seed: 3)
    var generator = SeededGenerator(seed: 4)
    let vectors = generator.normals(5 * 96)
    for kernels in Kernels.all {
      var results: [[UInt32]] = []
      for workers in [1, 2, 3, 5] {
        let team = ThreadTeam(workers: workers)
        let x = Activations(vectors, columns: 96)
        let hidden = Activations(columns: 320, capacity: 5)
        let gates = Activations(columns: 320, capacity: 5)
        let out = Activations(columns: 96, capacity: 5)
        let shared = Unguarded((up: up, gate: gate, down: down, x: x, hidden: hidden, gates: gates, out: out))
        team.run { member in
          let (up, gate, down, x, hidden, gates, out) = shared.value
          x.quantize(tokens: member.share(of: 5), using: kernels)
          member.sync()
          let rows = member.share(of: 320, multiple: 4)
          kernels.multiply(up.matrix, rows: rows, by: x, tokens: 0..<5, into: hidden.values, stride: 320)
          kernels.multiply(gate.matrix, rows: rows, by: x, tokens: 0..<5, into: gates.values, stride: 320)
          for token in 0..<5 {
            let at = token * 320 + rows.lowerBound
            kernels.gateReLU(
              gates.values + at, up: hidden.values + at, into: hidden.values + at, count: rows.count)
          }
          member.sync()
          kernels.accumulateRows(
            down.matrix, coefficients: hidden.values, hStride: 320, tokens: 0..<5,
            columns: member.share(of: 96, multiple: 32), into: out.values, stride: 96)
        }
        results.append((0..<5 * 96).map { out.values[$0].bitPattern })
      }
      #expect(results.dropFirst().allSatisfy { $0 == results[0] }, "\(kernels.instructionSet)")
      #expect(Set(results[0]).count > 100)
    }
  }
}
