import Foundation
import Testing

@testable import PowerInferPlatform

@Suite struct ProcessorTests {
  @Test func countsAreConsistentHere() {
    #expect(Processors.available >= 1)
    #expect((1...Processors.available).contains(Processors.physicalCores))
    #expect((1...Processors.physicalCores).contains(Processors.recommended))
    #expect(Processors.mask == Processors.mask.sorted())
    #expect(ProcessInfo.processInfo.activeProcessorCount >= 1)
  }

  @Test(arguments: [
    ("0-3", [0, 1, 2, 3]), ("0", [0]), ("0-1,8,10-11", [0, 1, 8, 10, 11]), ("", []), ("x", []), ("3-1", []),
    ("0-99999999999", []), (" 2,4\t", [2, 4]), ("-", []), ("1-2-3", []),
  ])
  func readsProcessorLists(text: String, expected: [Int]) {
    #expect(CoreTopology.processors(inList: text[...]) == expected)
  }

  @Test func readsTheMask() throws {
    let root = try FakeRoot(["proc/self/status": "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t1-2,5\nMems:\t1"])
    #expect(CoreTopology(root: root.path).allowed == [1, 2, 5])
    #expect(CoreTopology(root: root.path + "/none").allowed == nil)
  }

  @Test func countsSiblingsOnce() throws {
    var files: [String: String] = [:]
    for cpu in 0..<8 {
      files["sys/devices/system/cpu/cpu\(cpu)/topology/thread_siblings_list"] = "\(cpu % 4),\(cpu % 4 + 4)"
    }
    let root = try FakeRoot(files)
    let topology = CoreTopology(root: root.path)
    #expect(topology.cores(among: Array(0..<8)) == 4)
    #expect(topology.cores(among: [0, 4]) == 1)
    #expect(topology.cores(among: [0, 1, 5]) == 2)
    // Processors that the tree says nothing about count one each.
    #expect(topology.cores(among: [20, 21]) == 2)
  }

  @Test func readsMemoryNodes() throws {
    let root = try FakeRoot([
      "sys/devices/system/node/online": "0-1,3", "sys/devices/system/node/node0/cpulist": "0-3,8-11",
      "sys/devices/system/node/node1/cpulist": "4-7,12-15",
      // Memory without processors.
      "sys/devices/system/node/node3/cpulist": "",
    ])
    #expect(
      MemoryNodes(root: root.path, mask: Array(0..<16)).processors == [
        [0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15],
      ])
    #expect(MemoryNodes(root: root.path, mask: [2, 3, 5]).processors == [[2, 3], [5]])
    #expect(MemoryNodes(root: root.path, mask: [1, 2]).processors == [[1, 2]])
    // A processor of no node, and nothing told at all.
    #expect(MemoryNodes(root: root.path, mask: [1, 5, 20]).processors == [[1, 5, 20]])
    #expect(MemoryNodes(root: root.path + "/none", mask: [0, 1]).processors == [[0, 1]])
    let odd = try FakeRoot([
      "sys/devices/system/node/online": "0-1", "sys/devices/system/node/node0/cpulist": "0-1",
      "sys/devices/system/node/node1/cpulist": "1-2",
    ])
    #expect(MemoryNodes(root: odd.path, mask: [0, 1, 2]).processors == [[0, 1, 2]], "a processor of two nodes")
    #expect(Set(MemoryNodes.current.processors.joined()) == Set(Processors.mask))
  }

  @Test func dividesAmongMemoryNodes() {
    let even = MemoryNodes([[0, 1], [2, 3]])
    #expect((0..<4).map { even.node(ofMember: $0, of: 4) } == [0, 0, 1, 1])
    #expect((0..<3).map { even.node(ofMember: $0, of: 3) } == [0, 1, 1])
    #expect(
      even.node(ofMember: 0, of: 1) == 1 && even.node(at: 0) == 0 && even.node(at: 0.5) == 1 && even.node(at: 1) == 1)
    let uneven = MemoryNodes([[0, 1, 2, 3, 4, 5], [6, 7], []])
    #expect(uneven.count == 2 && (0..<8).map { uneven.node(ofMember: $0, of: 8) } == [0, 0, 0, 0, 0, 0, 1, 1])
    #expect(uneven.node(at: -1) == 0 && uneven.node(at: .nan) == 1 && uneven.node(at: .infinity) == 1)
    #expect(MemoryNodes([[3]]).node(at: 0.7) == 0)
  }

  @Test func fewThreadsUseFewMemoryNodes() {
    let four = MemoryNodes([[0, 1], [2, 3], [4, 5], [6, 7]])
    #expect(four.serving(threads: 8) == four && four.serving(threads: 4) == four)
    #expect(four.serving(threads: 2) == MemoryNodes([[2, 3], [6, 7]]))
    for threads in [-1, 0, 1, 9, .max] { #expect(four.serving(threads: threads) == MemoryNodes([Array(0..<8)])) }
    #expect(MemoryNodes([[3]]).serving(threads: 1) == MemoryNodes([[3]]))
  }

  @Test func readsQuotasOfVersion2() throws {
    let root = try FakeRoot([
      "proc/self/cgroup": "0::/a/b",
      "sys/fs/cgroup/a/cpu.max": "150000 100000",
      "sys/fs/cgroup/a/b/cpu.max": "max 100000",
    ])
    #expect(ContainerLimits(root: root.path).processors == 1.5)
  }

  @Test func takesTheTightestQuotaOnTheWayUp() throws {
    let root = try FakeRoot([
      "proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/cpu.max": "800000 100000",
      "sys/fs/cgroup/a/b/cpu.max": "400000 200000",
    ])
    #expect(ContainerLimits(root: root.path).processors == 2)
  }

  @Test func readsQuotasOfVersion1() throws {
    // Inside a container the path names a folder that only the host sees; the mount's own root holds the limit.
    let root = try FakeRoot([
      "proc/self/cgroup": "3:memory:/docker/x\n2:cpu,cpuacct:/docker/x\n0::/",
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "250000",
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
    ])
    #expect(ContainerLimits(root: root.path).processors == 2.5)
  }

  @Test func knowsWhereThereIsNoQuota() throws {
    let unlimited = try FakeRoot([
      "proc/self/cgroup": "2:cpu:/", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
      "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    ])
    #expect(ContainerLimits(root: unlimited.path).processors == nil)
    #expect(ContainerLimits(root: unlimited.path + "/none").processors == nil)
    let odd = try FakeRoot(["proc/self/cgroup": "nonsense\n0::/", "sys/fs/cgroup/cpu.max": "x y"])
    #expect(ContainerLimits(root: odd.path).processors == nil)
  }
}

@Suite struct TerminalTests {
  @Test func sizeIsPositiveWhereKnown() {
    // Under a test runner there may or may not be a terminal; both answers must agree with each other.
    if let size = Terminal.size() {
      #expect(Terminal.isTerminal(.output))
      #expect(size.columns > 0 && size.rows > 0)
    }
  }
}
