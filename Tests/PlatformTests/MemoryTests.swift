import Foundation
import Testing

@testable import PowerInferPlatform

@Suite struct MemoryTests {
  private let physical = 1 << 34

  private func limit(_ files: [String: String]) throws -> Int {
    // Kept until the end of the function: a fake root removes its files with itself.
    let root = try FakeRoot(files)
    return withExtendedLifetime(root) { Memory.limit(physical: physical, root: root.path) }
  }

  @Test func theLimitIsConsistentHere() {
    #expect(Memory.physical > 0)
    #expect((1...Memory.physical).contains(Memory.limit))
    #expect(Memory.isWithinLimit(Memory.limit) && !Memory.isWithinLimit(Memory.limit + 1))
  }

  @Test func whatIsTooMuchIsRefused() {
    #expect(Memory.canAllocate(0) && Memory.canAllocate(1 << 20))
    #expect(!Memory.canAllocate(-1) && !Memory.canAllocate(.max) && !Memory.canAllocate(Memory.limit + 1))
  }

  @Test func version2TakesTheTightestOnTheWayUp() throws {
    let tree = [
      "proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/memory.max": "536870912",
      "sys/fs/cgroup/a/b/memory.max": "1073741824",
    ]
    #expect(try limit(tree) == 536_870_912)
    #expect(try limit(tree.merging(["sys/fs/cgroup/a/memory.max": "max"]) { $1 }) == 1_073_741_824)
    #expect(try limit(tree.merging(["sys/fs/cgroup/a/b/memory.max": "4096"]) { $1 }) == 4096)
  }

  @Test func version1ReadsItsOwnTree() throws {
    // Inside a container the path names a folder that only the host sees; the mount's own root holds the limit.
    let tree = [
      "proc/self/cgroup": "3:memory:/docker/x\n2:cpu,cpuacct:/docker/x\n0::/",
      "sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456",
      "sys/fs/cgroup/cpu,cpuacct/memory.limit_in_bytes": "1",
    ]
    #expect(try limit(tree) == 268_435_456)
  }

  @Test func noLimitLeavesTheMachinesMemory() throws {
    #expect(try limit([:]) == physical)
    #expect(try limit(["proc/self/cgroup": "0::/", "sys/fs/cgroup/memory.max": "max"]) == physical)
    #expect(try limit(["proc/self/cgroup": "0::/", "sys/fs/cgroup/memory.max": "x"]) == physical)
    // How version 1 spells no limit, and a number that fits 64 bits only without a sign.
    for none in ["9223372036854771712", "18446744073709551615"] {
      let tree = ["proc/self/cgroup": "2:memory:/", "sys/fs/cgroup/memory/memory.limit_in_bytes": none]
      #expect(try limit(tree) == physical)
    }
  }
}
