import Foundation
import Testing

@testable import PowerInfer
@testable import PowerInferCommandLine

@Suite struct BenchTableTests {
  private func row(_ kind: SpeedTest.Kind, _ tokens: Int) -> BenchRow {
    BenchRow(
      test: SpeedTest(kind, tokens: tokens), model: "llama 135M Q4_0", file: "a, \"b\".gguf", modelBytes: 77 << 20,
      modelParameters: 134_515_008, threads: 2, batchSize: 128, time: "2026-01-02T03:04:05Z", samples: [100, 102])
  }

  private var prompt: BenchRow {
    var row = row(.prompt, 512)
    row.operations = 512 * 3_000_000_000
    return row
  }

  private var decode: BenchRow {
    var row = row(.decode, 128)
    row.bytesPerToken = 80_000_000
    row.bandwidth = 40e9
    return row
  }

  private func printed(_ format: ResultFormat, _ rows: [BenchRow]) throws -> String {
    var text = ""
    try withoutActuallyEscaping({ text += $0 }) { write in
      var table = BenchTable(format, write: write)
      for row in rows { try table.add(row) }
      try table.finish()
    }
    return text
  }

  @Test func markdownHasLlamaBenchsColumnsAndOurs() throws {
    var bound = decode
    bound.bytesAreBound = true
    bound.threads = 1
    let text = try printed(.markdown, [prompt, decode, bound])
    #expect(
      text.hasPrefix(
        """
        | model                    |       size |     params | backend | threads |     test |                t/s |     GB/s | of memory |  GFLOP/s |
        | ------------------------ | ---------: | ---------: | ------- | ------: | -------: | -----------------: | -------: | --------: | -------: |
        | llama 135M Q4_0          |  77.00 MiB |   134.52 M | CPU     |       2 |    pp512 |      101.00 ± 1.41 |          |           |    303.0 |
        | llama 135M Q4_0          |  77.00 MiB |   134.52 M | CPU     |       2 |    tg128 |      101.00 ± 1.41 |     8.08 |      20 % |          |
        | llama 135M Q4_0          |  77.00 MiB |   134.52 M | CPU     |       1 |    tg128 |      101.00 ± 1.41 |   ≤ 8.08 |    ≤ 20 % |          |


        """))
    #expect(text.hasSuffix("; memory is read at 40.0 GB/s by 2 threads, 40.0 GB/s by 1 thread\n"))
  }

  @Test func csvIsQuotedWhereItMustBe() throws {
    let lines = try printed(.csv, [prompt, decode]).split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count == 4 && lines[3].isEmpty)
    let names = lines[0].split(separator: ",").map(String.init)
    #expect(names.prefix(3) == ["version", "cpu_info", "instruction_set"])
    for name in ["model_filename", "n_threads", "n_prompt", "n_gen", "n_depth", "avg_ns", "avg_ts", "stddev_ts"] {
      #expect(names.contains(name))
    }
    #expect(!names.contains("samples_ts"))
    #expect(lines[1].contains(#","a, ""b"".gguf",llama 135M Q4_0,80740352,134515008,128,2,f16,f16,512,0,0,2026-01-"#))
    #expect(lines[1].hasSuffix(",101.000000,1.414214,,,,,,303.000000,,,"))
    #expect(lines[2].hasSuffix(",101.000000,1.414214,80000000.000000,0,8.080000,40.000000,0.202000,,,,"))
    #expect(
      CSV.line(["a", "", "b,c", "d\"e", "f\r\ng", "h\ni", "é "]) == "a,,\"b,c\",\"d\"\"e\",\"f\r\ng\",\"h\ni\",é \n")
  }

  @Test func jsonHasLlamaBenchsNames() throws {
    let text = try printed(.json, [prompt, decode])
    let rows = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]])
    #expect(rows.count == 2)
    #expect(rows[0]["n_prompt"] as? Int == 512 && rows[0]["n_gen"] as? Int == 0 && rows[0]["avg_ts"] as? Double == 101)
    #expect(rows[0]["gb_per_s"] is NSNull && rows[0]["profile"] == nil)
    #expect(rows[1]["n_gen"] as? Int == 128 && rows[1]["gb_per_s"] as? Double == 8.08)
    #expect(rows[1]["samples_ts"] as? [Double] == [100, 102])
    #expect(rows[1]["samples_ns"] as? [Int] == [1_280_000_000, 1_254_901_961])
    #expect(rows[1]["avg_ns"] as? Int == 1_267_450_980)
  }

  @Test func aProfileFollowsItsRow() throws {
    var row = decode
    row.profile = ProfileReport(
      phase: "decode", threads: 2, tokens: 4, microsecondsPerToken: 10,
      rows: [
        .init(
          stage: "gate and up", microsecondsPerToken: 7.5, share: 0.75, gigabytesPerSecond: 3.25, gigaflopsPerSecond: 12
        ),
        .init(stage: "waiting", microsecondsPerToken: 2.5, share: 0.25),
      ])
    #expect(
      try printed(.markdown, [row]).hasSuffix(
        """

        tg128, 2 threads:

        | stage              |   µs/token |      % |     GB/s |  GFLOP/s |
        | ------------------ | ---------: | -----: | -------: | -------: |
        | gate and up        |       7.50 |   75.0 |     3.25 |     12.0 |
        | waiting            |       2.50 |   25.0 |          |          |
        | sum                |      10.00 |  100.0 |          |          |

        """))
    let text = try printed(.json, [row])
    let rows = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]])
    let profile = try #require(rows[0]["profile"] as? [String: Any])
    #expect((profile["rows"] as? [[String: Any]])?.first?["gb_per_s"] as? Double == 3.25)
    #expect(profile["us_per_token"] as? Double == 10 && rows[0]["n_gen"] as? Int == 128)
  }

  @Test func theMemorysTableHasEveryTest() throws {
    for format in ResultFormat.allCases {
      var text = ""
      try withoutActuallyEscaping({ text += $0 }) { write in
        try MemoryBench(format: format, bytes: 1 << 20, seconds: 0, write: write).run(threads: [1, 2])
      }
      switch format {
      case .markdown:
        #expect(
          text.hasPrefix("| test   | threads | isa      |     buffer | best GB/s | median GB/s |\n| ------ | ------: |")
        )
        #expect(text.split(separator: "\n").count == 2 + 6)
      case .csv:
        #expect(text.split(separator: "\n").count == 1 + 6)
      case .json:
        let rows = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]])
        #expect(rows.map { $0["test"] as? String } == ["read", "copy", "triad", "read", "copy", "triad"])
        #expect(rows.map { $0["n_threads"] as? Int } == [1, 1, 1, 2, 2, 2])
        #expect((rows[0]["samples_gb_per_s"] as? [Double])?.count == 3)
      }
    }
  }

  @Test(arguments: [
    (0, [1]), (1, [1]), (2, [1, 2]), (8, [1, 2, 3, 4, 5, 6, 7, 8]), (12, [1, 2, 3, 4, 5, 6, 7, 8, 12]),
    (16, [1, 2, 3, 4, 5, 6, 7, 8, 16]), (96, [1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 96]),
  ])
  func theMemoryIsMeasuredUpToAllCores(cores: Int, counts: [Int]) {
    #expect(MemoryBench.threadCounts(cores: cores) == counts)
  }
}
