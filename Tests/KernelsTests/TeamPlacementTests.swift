import Foundation
import PowerInferPlatform
import Synchronization
import Testing

@testable import PowerInferKernels

/// Members that have no processor are helped, and afterwards every thread may run where it could before.
@Suite(.timeLimit(.minutes(5))) struct TeamPlacementTests {
  @Test func setsHoldNumbers() {
    var set = ProcessorSet([0, 63, 64, 1023])
    #expect(set.contains(0) && set.contains(63) && set.contains(64) && set.contains(1023) && !set.contains(1))
    for number in [-1, 1024, .max, .min] {
      set.insert(number)
      #expect(!set.contains(number))
      set.remove(number)
    }
    for number in [0, 63, 64, 1023] {
      #expect(!set.isEmpty)
      set.remove(number)
    }
    #expect(set.isEmpty && set == ProcessorSet())
  }

  /// A member that sleeps at every barrier is taken for one that has lost its processor: the others move it about all the time.
  @Test(arguments: [2, 3]) func sleepersAreMovedAndComeBack(_ workers: Int) throws {
    let usual = try #require(ProcessorSet(of: SystemThread.currentID))
    let team = ThreadTeam(workers: workers, nodes: MemoryNodes([Processors.mask]))
    let threads = Mutex<Set<UInt>>([])
    team.run { _ in
      let thread = SystemThread.currentID
      threads.withLock { _ = $0.insert(thread) }
    }
    let sum = Atomic<Int>(0)
    for run in 0..<4 {
      team.run { member in
        for round in 0..<40 {
          if (round + run) % member.count == member.index { usleep(2000) }
          member.pieces(64) { sum.add($0, ordering: .relaxed) }
          member.sync()
        }
      }
      #expect(sum.exchange(0, ordering: .relaxed) == 40 * 63 * 32)
    }
    #expect(ProcessorSet(of: SystemThread.currentID) == usual)
    // The other threads settle when they come to it.
    for thread in threads.withLock({ $0 }) {
      while ProcessorSet(of: thread) != usual { usleep(1000) }
    }
  }

  /// Each member stays on its memory node, and the thread that leads is free again after the run.
  @Test func membersStayOnTheirNodes() throws {
    let mask = Processors.mask
    // Else nobody is held.
    guard mask.count > 1, Processors.quota ?? 2 >= 2 else { return }
    let nodes = MemoryNodes([Array(mask[..<(mask.count / 2)]), Array(mask[(mask.count / 2)...])])
    let usual = try #require(ProcessorSet(of: SystemThread.currentID))
    let team = ThreadTeam(workers: 2, nodes: nodes)
    for run in 0..<3 {
      let seen = Mutex<[Int: ProcessorSet]>([:])
      team.run { member in
        for round in 0..<40 {
          // Who sleeps is helped, on its own node.
          if (round + run) % 2 == member.index { usleep(1000) }
          member.sync()
        }
        let set = ProcessorSet(of: SystemThread.currentID)
        seen.withLock { $0[member.index] = set }
      }
      for (member, set) in seen.withLock({ $0 }) {
        let home = nodes.processors[member]
        let others = mask.filter { !home.contains($0) }
        #expect(!set.isEmpty && !others.contains { set.contains($0) }, "member \(member)")
      }
      #expect(ProcessorSet(of: SystemThread.currentID) == usual)
    }
  }

  /// What somebody else says of the processors of a thread counts, before a run and during one.
  @Test func membersObeyTheirMasks() throws {
    let mask = Processors.mask
    // Else nobody is held.
    guard mask.count > 1, Processors.quota ?? 2 >= 2 else { return }
    let nodes = MemoryNodes([Array(mask[..<(mask.count / 2)]), Array(mask[(mask.count / 2)...])])
    let me = SystemThread.currentID
    let usual = try #require(ProcessorSet(of: me))
    defer { #expect(usual.hold(me)) }
    let team = ThreadTeam(workers: 2, nodes: nodes)
    let last = ProcessorSet([mask[mask.count - 1]])
    #expect(last.hold(me))
    let seen = Mutex<ProcessorSet?>(nil)
    team.run { member in
      let set = ProcessorSet(of: SystemThread.currentID)
      if member.index == 0 { seen.withLock { $0 = set } }
    }
    // None of them is of its node.
    #expect(seen.withLock { $0 } == last && ProcessorSet(of: me) == last)
    #expect(usual.hold(me))
    team.run { member in
      if member.index == 0 { _ = last.hold(SystemThread.currentID) }
    }
    #expect(ProcessorSet(of: me) == last)
  }

  /// Every iteration is done once, by a thread beside its memory.
  @Test func iterationsRunOnTheirNodes() throws {
    let mask = Processors.mask
    guard mask.count > 1 else { return }
    let nodes = MemoryNodes([[mask[0]], Array(mask[1...])])
    let usual = try #require(ProcessorSet(of: SystemThread.currentID))
    let found = Mutex([Int: ProcessorSet]())
    let calls = Atomic(0)
    nodes.perform(iterations: 100, at: { Double($0) / 100 }) { iteration in
      let set = ProcessorSet(of: SystemThread.currentID)
      found.withLock { $0[iteration] = set }
      calls.add(1, ordering: .relaxed)
    }
    #expect(calls.load(ordering: .relaxed) == 100)
    for (iteration, set) in found.withLock({ $0 }) {
      let node = nodes.node(at: Double(iteration) / 100)
      #expect(set == ProcessorSet(nodes.processors[node]), "\(iteration)")
    }
    #expect(found.withLock(\.count) == 100 && ProcessorSet(of: SystemThread.currentID) == usual)
    nodes.perform(iterations: 0, at: { _ in 0 }) { _ in calls.add(1, ordering: .relaxed) }
    #expect(calls.load(ordering: .relaxed) == 100)
  }

  /// What waiting members do, one step after the other.
  @Test func twoMembersChangePlaces() throws {
    guard Processors.mask.count > 1, let placement = TeamPlacement(count: 2) else { return }
    let (begun, ended) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    let other = try #require(
      SystemThread {
        placement.arrive(1, round: 0)
        begun.signal()
        ended.wait()
      })
    begun.wait()
    let (me, usual) = (SystemThread.currentID, ProcessorSet(Processors.mask))
    #expect(usual.hold(me) && usual.hold(other.id))
    defer {
      #expect(usual.hold(me))
      ended.signal()
      other.join()
    }
    placement.register(0, thread: me)
    placement.register(1, thread: other.id)
    placement.arrive(0, round: 1)
    #expect(placement.late(1) == 1 && placement.late(0) == 0)
    // A thread that sleeps has no processor; the other one may still be on its way to sleep.
    var time = placement.time(of: 1)
    #expect(time > 0 && placement.time(of: 0) > 0)
    while true {
      usleep(5000)
      let later = placement.time(of: 1)
      if later == time { break }
      time = later
    }

    // On the same processor: the other one is sent away.
    let first = Processors.mask[0]
    #expect(ProcessorSet([first]).hold(me))
    placement.arrive(0, round: 1)
    #expect(ProcessorSet([first]).hold(other.id))
    #expect(usual.hold(other.id))
    placement.sendAway(1, 1)
    let away = try #require(ProcessorSet(of: other.id))
    #expect(!away.isEmpty && !away.contains(first))
    placement.settle(1)
    #expect(ProcessorSet(of: other.id) == usual)
    // Who has come is left alone.
    placement.arrive(1, round: 1)
    placement.sendAway(1, 1)
    #expect(!placement.change(0, with: 1, 1) && ProcessorSet(of: other.id) == usual)
    placement.settle(0)
    #expect(ProcessorSet(of: me) == ProcessorSet([first]), "it was not moved")
  }
}
