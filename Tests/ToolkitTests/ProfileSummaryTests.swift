import PowerInferSparsity
import PowerInferToolkit
import Testing

@Suite struct ProfileSummaryTests {
  private func summary(_ frequencies: [[Float]]) throws -> ProfileSummary {
    ProfileSummary(
      try ActivationProfile(frequencies: frequencies, contributions: frequencies, tokens: 1, text: ""))
  }

  @Test func saysHowManyFireAndHowFewMakeMost() throws {
    let summary = try summary([
      [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
      // 0.9 of 1 is more than 80 %.
      [0, 0.1, 0, 0, 0.9, 0, 0, 0, 0, 0],
      // 0.5 of 1 is less.
      [0.25, 0.25, 0, 0, 0.5, 0, 0, 0, 0, 0],
      [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ])
    #expect(summary.layers.map(\.layer) == [0, 1, 2, 3])
    for (found, expected) in zip(summary.layers.map(\.active), [0.5, 0.1, 0.1, 0]) {
      #expect(abs(found - expected) < 1e-8)
    }
    #expect(summary.layers.map(\.skew) == [0.8, 0.1, 0.3, 0])
    #expect(abs(summary.active - 0.175) < 1e-8 && abs(summary.skew - 0.3) < 1e-8)
    // 5.6 of 7: 0.9 and ten times 0.5 are 5.9.
    #expect(summary.overallSkew == 0.275)
  }
}
