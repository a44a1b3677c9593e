import ArgumentParser
import Foundation
import PowerInfer
import PowerInferSparsity

/// What `bench --compare` and `perplexity --compare` have in common: they run a ``SourceComparison`` and show what it finds.
struct Comparison {
  var format: ResultFormat
  var isPerLayer: Bool

  /// - Parameters:
  ///   - comparison: what to run.
  ///   - model: the file's name.
  /// - Throws: what the comparison throws; the exit code of an interrupt after one.
  func run(_ comparison: SourceComparison, model: String, threads: Int) throws {
    let cancellation = CancellationFlag()
    let interrupts = Interrupts(cancelling: cancellation)
    defer { withExtendedLifetime(interrupts) {} }
    var table = ComparisonTable(
      format, ComparisonTable.Origin(model: model, threads: threads, comparison), isPerLayer: isPerLayer)
    var (step, bar) = (SourceComparison.Step.decoding, ProgressBar.onTerminal("Decoding"))
    defer { bar.finish() }
    let outcome = try comparison.run(
      onSource: {
        bar.finish()
        try table.add($0)
      },
      onProgress: { newStep, done, all in
        if newStep != step {
          bar.finish()
          (step, bar) = (newStep, .onTerminal(newStep.title))
        }
        bar.update(done, of: all)
      },
      isCancelled: { cancellation.isRaised })
    bar.finish()
    try table.finish(leftOut: outcome.leftOut)
    if !outcome.isComplete { throw ExitCode(128 + SIGINT) }
  }
}

extension SourceComparison.Step {
  fileprivate var title: String {
    switch self {
    case .decoding: "Decoding"
    case .reading(let mode): "Reading (\(mode.rawValue))"
    }
  }
}
