import ArgumentParser
import Foundation
import PowerInfer
import PowerInferPlatform

/// Answers a single prompt on standard output.
struct OneAnswer {
  enum Output {
    case text
    /// One object at the end.
    case json
    /// An object per piece and one at the end, each on its line.
    case jsonLines
  }

  let loaded: LoadedModel
  let generator: Generator
  let options: GenerationOptions
  let cancellation: CancellationFlag
  let output: Output
  let isQuiet: Bool
  /// Whether control tokens count in a prompt that no template makes.
  let readsControlTokens: Bool

  /// - Parameter isRaw: goes on from the text without the chat template.
  /// - Throws: also the exit status that shells expect, where the answer was cancelled by Ctrl-C.
  func answer(_ text: String, system: String?, isRaw: Bool) throws {
    let prompt = try tokens(text, system: system, isRaw: isRaw)
    let progress = ProgressBar.reading
    defer { progress.finish() }
    var endsLine = true
    let result = try generator.generate(prompt, options: options, cancellation: cancellation) { piece in
      progress.finish()
      switch output {
      case .text:
        try StandardOutput.write(piece)
        endsLine = piece.last?.isNewline ?? endsLine
      case .json: break
      case .jsonLines: try StandardOutput.write(JSON.text(AnswerPiece(piece: piece), pretty: false) + "\n")
      }
    } onProgress: { done, all in
      progress.update(done, of: all)
    }
    progress.finish()
    switch output {
    case .text:
      if !endsLine { try StandardOutput.write("\n") }
      try note(result)
    case .json, .jsonLines:
      let report = AnswerReport(
        model: loaded.name, seed: generator.sampler.seed, result: result, sparsity: loaded.engine.sparsityReport,
        hybrid: loaded.engine.statistics.hybrid)
      try StandardOutput.write(JSON.text(report, pretty: output == .json) + "\n")
    }
    if result.finishReason == .cancelled { throw ExitCode(128 + SIGINT) }
  }

  private func tokens(_ text: String, system: String?, isRaw: Bool) throws -> [Int32] {
    if isRaw { return loaded.tokens(of: text, isFinished: readsControlTokens) }
    if loaded.hasChatTemplate {
      return try loaded.tokens(of: (system.map { [Message(.system, $0)] } ?? []) + [Message(.user, text)])
    }
    if system != nil { throw LoadedModelError.noChatTemplate(loaded.name) }
    if !isQuiet {
      StandardOutput.note(
        "Note: \(loaded.name) has no chat template; it goes on from the prompt as it is (--raw). --chat-template names one.\n"
      )
    }
    return loaded.tokens(of: text, isFinished: readsControlTokens)
  }

  /// What the answer cost; even a quiet run says when an answer was cut off.
  private func note(_ result: GenerationResult) throws {
    let style = Style(isTerminal: Terminal.isTerminal(.error))
    let contextSize = loaded.engine.contextSize
    if !isQuiet {
      StandardOutput.note("\n" + style.dim(Summary.line(result, contextSize: contextSize)) + "\n")
      if let line = Summary.line(loaded.engine.sparsityReport) { StandardOutput.note(style.dim(line) + "\n") }
      if let hybrid = loaded.engine.statistics.hybrid {
        StandardOutput.note(style.dim(HybridText.line(hybrid)) + "\n")
      }
    } else if result.finishReason == .contextFull, let ending = Summary.ending(result, contextSize: contextSize) {
      StandardOutput.note("\nThe answer \(ending).\n")
    }
  }
}
