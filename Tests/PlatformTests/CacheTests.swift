import Testing

@testable import PowerInferPlatform

@Suite struct CacheTests {
  private func cache(_ cpu: Int, _ index: Int, _ level: Int, _ type: String, _ size: String, _ sharers: String)
    -> [String: String]
  {
    let folder = "sys/devices/system/cpu/cpu\(cpu)/cache/index\(index)"
    return [
      "\(folder)/level": "\(level)", "\(folder)/type": type, "\(folder)/size": size,
      "\(folder)/shared_cpu_list": sharers,
    ]
  }

  @Test func addsTheInstancesOfTheLastLevel() throws {
    var files: [String: String] = [:]
    for cpu in 0..<4 {
      files.merge(cache(cpu, 0, 1, "Data", "48K", "\(cpu)")) { $1 }
      files.merge(cache(cpu, 1, 1, "Instruction", "32K", "\(cpu)")) { $1 }
      files.merge(cache(cpu, 2, 2, "Unified", "1024K", "\(cpu)")) { $1 }
      files.merge(cache(cpu, 3, 3, "Unified", "32768K", cpu < 2 ? "0-1" : "2-3")) { $1 }
    }
    let root = try FakeRoot(files)
    let topology = CacheTopology(root: root.path)
    #expect(topology.lastLevelBytes(among: [0, 1, 2, 3]) == 64 << 20)
    #expect(topology.lastLevelBytes(among: [1]) == 32 << 20)
    #expect(topology.lastLevelBytes(among: [9]) == nil)
    #expect(topology.lastLevelBytes(among: []) == nil)
  }

  @Test(
    arguments: [
      ("32768K", 32 << 20), ("1M", 1 << 20), ("2G", 2 << 30), ("512", 512), ("", nil), ("K", nil), ("-1K", nil),
      ("0K", nil), ("x", nil), ("9223372036854775807G", nil), ("99999999999", 99_999_999_999),
      ("9999999999999", nil),
    ] as [(String, Int?)])
  func readsSizes(text: String, bytes: Int?) {
    #expect(CacheTopology.bytes(text) == bytes)
  }

  @Test func readsTheProcessorsName() throws {
    let root = try FakeRoot(["proc/cpuinfo": "processor\t: 0\nmodel name\t: Some  CPU @ 2 GHz \nmodel name\t: Other"])
    #expect(CoreTopology(root: root.path).processorName == "Some CPU @ 2 GHz")
    let none = try FakeRoot(["proc/cpuinfo": "processor\t: 0"])
    #expect(CoreTopology(root: none.path).processorName == nil)
  }
}
