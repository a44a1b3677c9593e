import PowerInfer

/// An evaluator that follows a script: after token t comes `next[t]`, else t + 1. Remembers what it was asked to read.
final class ScriptedEvaluator: TokenEvaluator {
  let contextSize: Int
  private(set) var tokens: [Int32] = []
  private(set) var reads: [[Int32]] = []
  var next: [Int32: Int32] = [:]
  /// How many tokens are read between two reports of progress.
  var batchSize = 4
  var failure: (any Error)?
  private let logits: UnsafeMutableBufferPointer<Float>

  init(contextSize: Int = 64, vocabularySize: Int = 128) {
    self.contextSize = contextSize
    logits = .allocate(capacity: vocabularySize)
  }

  deinit { logits.deallocate() }

  var position: Int { tokens.count }

  func evaluate<Result>(
    _ new: [Int32], phase: Batch.Phase?, progress: ((Int) -> Bool)?,
    body: (UnsafeBufferPointer<Float>) throws -> Result
  ) throws -> Result? {
    reads.append(new)
    if let failure { throw failure }
    var done = 0
    while done < new.count {
      let batch = new[done..<min(done + batchSize, new.count)]
      tokens += batch
      done += batch.count
      if done < new.count, progress?(done) == false { return nil }
    }
    logits.initialize(repeating: 0)
    if let last = tokens.last { logits[Int(next[last] ?? last + 1)] = 10 }
    return try body(UnsafeBufferPointer(logits))
  }

  func truncate(to position: Int) {
    tokens.removeLast(max(0, tokens.count - position))
  }
}

/// Token 0 ends an answer; the others are the ASCII characters, and 1 and 2 are the two halves of "é".
struct AsciiVocabulary: TokenVocabulary {
  var endOfGenerationTokens: [Int32] { [0] }
  func makeTextAssembler() -> any TextAssembler { Assembler() }

  func encode(_ text: String) -> [Int32] { text.utf8.map(Int32.init) }

  struct Assembler: TextAssembler {
    private var half = false

    mutating func append(_ token: Int32) -> String {
      if token == 1 {
        half = true
        return ""
      }
      if token == 2 {
        half = false
        return "é"
      }
      return String(UnicodeScalar(UInt8(token)))
    }

    mutating func finish() -> String {
      defer { half = false }
      return half ? "\u{FFFD}" : ""
    }
  }
}
