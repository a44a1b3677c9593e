import Foundation
import PowerInferSparsity
import Testing

@testable import PowerInfer
@testable import PowerInferCommandLine

@Suite struct ComparisonTableTests {
  private func quality(fired: Int, listed: Int, hits: Int, kept: Double) -> NeuronQuality {
    var quality = NeuronQuality()
    (quality.seen, quality.fired, quality.listed, quality.hits) = (1000, fired, listed, hits)
    (quality.contribution, quality.keptContribution) = (8, kept)
    return quality
  }

  private func source(
    _ mode: SparsityMode, _ source: ActivationSource, speeds: [Double], _ layers: [NeuronQuality], perplexity: Double,
    change: Estimate
  ) -> SourceQuality {
    SourceQuality(
      mode: mode, sources: layers.map { _ in source }, speeds: speeds, layers: layers,
      perplexity: PerplexityResult(
        chunks: 4, tokens: 2048, scored: 1020, negativeLogLikelihood: Estimate(log(perplexity), error: 0.1),
        perplexity: Estimate(perplexity, error: perplexity / 10), divergence: nil),
      change: change)
  }

  private var dense: SourceQuality {
    let all = quality(fired: 200, listed: 1000, hits: 200, kept: 8)
    return source(
      .dense, .dense, speeds: [100, 300, 200, 50], [all, all], perplexity: 20, change: Estimate(0, error: 0))
  }

  private var predictor: SourceQuality {
    source(
      .predictor, .predictor(threshold: 0.5), speeds: [400, 500, 450],
      [
        quality(fired: 200, listed: 300, hits: 150, kept: 7.5), quality(fired: 100, listed: 0, hits: 0, kept: 0),
      ], perplexity: 22, change: Estimate(0.1, error: 0.0123))
  }

  /// A layer in which nothing fires.
  private var silent: SourceQuality {
    var nothing = quality(fired: 0, listed: 0, hits: 0, kept: 0)
    nothing.contribution = 0
    return source(.gate, .gate, speeds: [], [nothing], perplexity: 19, change: Estimate(-0.05, error: nil))
  }

  private let leftOut = [SourceComparison.LeftOut(mode: .threshold, reason: "It has none.")]

  private func printed(
    _ format: ResultFormat, _ sources: [SourceQuality], isPerLayer: Bool = false,
    leftOut: [SourceComparison.LeftOut]? = nil, chunks: Int = 4
  ) throws -> String {
    var text = ""
    try withoutActuallyEscaping({ text += $0 }) { write in
      var table = ComparisonTable(
        format,
        ComparisonTable.Origin(
          model: "a, \"b\".gguf", threads: 2,
          text: ScoredText(chunks: Array(repeating: 0, count: 512 * chunks), contextSize: 512, beginning: nil),
          prefix: 256, decoded: 128, turns: 5),
        isPerLayer: isPerLayer, write: write)
      for source in sources { try table.add(source) }
      try table.finish(leftOut: leftOut ?? self.leftOut)
    }
    return text
  }

  @Test func markdownHasEverythingInOneTable() throws {
    #expect(
      try printed(.markdown, [dense, predictor]) == """
        | source    |      t/s |   active | computed |   recall |     kept |           perplexity |            change |
        | --------- | -------: | -------: | -------: | -------: | -------: | -------------------: | ----------------: |
        | dense     |   150.00 |  20.00 % | 100.00 % | 100.00 % | 100.00 % |     20.0000 ± 2.0000 |                   |
        | predictor |   450.00 |  15.00 % |  15.00 % |  50.00 % |  46.88 % |     22.0000 ± 2.2000 |   +10.00 ± 1.23 % |

        Without threshold: It has none.
        a, "b".gguf: 4 chunks of 512 tokens, 255 of them scored; 128 tokens decoded after 256, median of 5 turns; 2 threads

        """)
    let short = try printed(.markdown, [dense], leftOut: [], chunks: 1)
    #expect(short.contains("|\n\na, \"b\".gguf: 1 chunk of 512 tokens"))
  }

  @Test func whatIsNotKnownIsBlank() throws {
    let line = try #require(try printed(.markdown, [silent]).split(separator: "\n").dropFirst(2).first)
    #expect(
      line
        == "| gate      |     0.00 |   0.00 % |   0.00 % |          |          |     19.0000 ± 1.9000 |           -5.00 % |"
    )
    let report = try json([silent])
    let row = try #require((report["sources"] as? [[String: Any]])?.first)
    #expect(row["recall"] is NSNull && row["kept_share"] is NSNull && row["perplexity_change_error"] is NSNull)
  }

  @Test func layersFollowTheTable() throws {
    let text = try printed(.markdown, [dense, predictor], isPerLayer: true)
    #expect(
      text.hasSuffix(
        """
        2 threads

        predictor:

        | layer |   active | computed |   recall |     kept |
        | ----: | -------: | -------: | -------: | -------: |
        |     0 |  20.00 % |  30.00 % |  75.00 % |  93.75 % |
        |     1 |  10.00 % |   0.00 % |   0.00 % |   0.00 % |

        """))
  }

  /// Nothing was done before somebody stopped it.
  @Test func noSourceMakesNoTable() throws {
    #expect(try printed(.markdown, []) == "" && printed(.csv, []) == "")
    #expect((try json([])["sources"] as? [Any])?.isEmpty == true)
  }

  private func json(_ sources: [SourceQuality], isPerLayer: Bool = false) throws -> [String: Any] {
    let text = try printed(.json, sources, isPerLayer: isPerLayer)
    return try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  @Test func jsonHasNumbersOfAllOfIt() throws {
    let report = try json([dense, predictor])
    #expect(report["model_filename"] as? String == "a, \"b\".gguf" && report["n_threads"] as? Int == 2)
    #expect(report["n_ctx"] as? Int == 512 && report["n_chunks"] as? Int == 4 && report["n_scored"] as? Int == 1020)
    #expect(report["n_prefix"] as? Int == 256 && report["n_gen"] as? Int == 128 && report["n_turns"] as? Int == 5)
    #expect(report["left_out"] as? [[String: String]] == [["source": "threshold", "reason": "It has none."]])
    let sources = try #require(report["sources"] as? [[String: Any]])
    #expect(sources.map { $0["source"] as? String } == ["dense", "predictor"])
    #expect(sources[0]["predictor_threshold"] is NSNull && sources[0]["layers"] == nil)
    let row = sources[1]
    #expect(row["predictor_threshold"] as? Double == 0.5 && row["median_ts"] as? Double == 450)
    #expect(row["samples_ts"] as? [Double] == [400, 500, 450])
    #expect(row["active_share"] as? Double == 0.15 && row["computed_share"] as? Double == 0.15)
    #expect(row["recall"] as? Double == 0.5 && row["precision"] as? Double == 0.5)
    #expect(row["kept_share"] as? Double == 7.5 / 16 && row["perplexity"] as? Double == 22)
    #expect(row["perplexity_change"] as? Double == 0.1 && row["perplexity_change_error"] as? Double == 0.0123)

    let layers = try json([predictor], isPerLayer: true)["sources"] as? [[String: Any]]
    let layer = try #require(layers?.first?["layers"] as? [[String: Any]])
    #expect(layer.count == 2 && layer[0]["recall"] as? Double == 0.75 && layer[1]["precision"] is NSNull)
  }

  @Test func csvHasALinePerSource() throws {
    let lines = try printed(.csv, [dense, predictor]).split(separator: "\n")
    #expect(
      lines == [
        "source,predictor_threshold,median_ts,active_share,computed_share,recall,precision,kept_share,perplexity,"
          + "perplexity_error,perplexity_change,perplexity_change_error",
        "dense,,150.000000,0.200000,1.000000,1.000000,0.200000,1.000000,20.000000,2.000000,0.000000,0.000000",
        "predictor,0.500000,450.000000,0.150000,0.150000,0.500000,0.500000,0.468750,22.000000,2.200000,0.100000,0.012300",
      ])
  }
}
