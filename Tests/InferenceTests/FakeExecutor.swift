import PowerInfer
import PowerInferTestKit
import Synchronization

/// An executor whose logits are a hash of all tokens in the pages that it is given: wrong sharing, a missing copy or a stale
/// page change the answer, or are counted as faults.
// Unchecked: an engine makes one call at a time; what tests read meanwhile is guarded.
final class FakeExecutor: ModelExecutor, @unchecked Sendable {
  /// What a page holds of a position.
  private struct Cell {
    var token: Int32
    var position: Int
    var phase: Batch.Phase
  }

  /// What tests look at.
  struct Counts {
    var pages = 0
    var passes = 0
    var rows = 0
    var mostRows = 0
    /// Tokens read as parts of prompts.
    var promptRows = 0
    var copies = 0
    var faults: [String] = []
    /// Positions and number of rows of every piece, pass by pass; kept where asked for.
    var pieces: [[(sequence: SequenceID, position: Int, count: Int, phase: Batch.Phase)]] = []
  }

  struct Failure: Error, Equatable {}

  let model: LanguageModel
  let maxRows: Int
  let pageLayout: PageLayout
  /// Whether a token's phase counts for all that follows, as where neurons are left out.
  var countsPhase = false
  /// One answer in so many tokens ends.
  var endsEvery: UInt64 = 16
  var keepsPieces = false
  /// Called at the beginning of every pass; an error is the executor's.
  var onPass: @Sendable (Pass) throws -> Void = { _ in }
  let counts = Mutex(Counts())

  private var pages: [Int: [Cell?]] = [:]
  private var hashes: [UInt64] = []
  private var logits: [Float] = []

  init(maxRows: Int = 64, pagePositions: Int = 4) throws {
    model = try FakeExecutor.tinyModel.get()
    self.maxRows = maxRows
    pageLayout = PageLayout(positions: pagePositions, layerBytes: [pagePositions * 16])
  }

  private static let tinyModel = Result {
    let folder = try TemporaryFolder()
    var tiny = TinyModel(layers: 1)
    (tiny.hiddenSize, tiny.feedForwardSize, tiny.heads, tiny.keyValueHeads) = (32, 32, 2, 1)
    tiny.contextLength = 4096
    return try LanguageModel(opening: tiny.write(to: folder.file("fake.gguf")))
  }

  /// The token that ends an answer.
  static let end: Int32 = 2

  func allocatePage(_ page: PageID) throws {
    if pages[page.index] != nil { fault("page \(page.index) allocated twice") }
    pages[page.index] = Array(repeating: nil, count: pageLayout.positions)
    counts.withLock { $0.pages += 1 }
  }

  func copyPage(_ source: PageID, to target: PageID, positions: Int) throws {
    guard let cells = pages[source.index], pages[target.index] != nil, (1...pageLayout.positions).contains(positions)
    else { return fault("copy of \(positions) positions from page \(source.index) to \(target.index)") }
    for index in 0..<positions { pages[target.index]?[index] = cells[index] }
    counts.withLock { $0.copies += 1 }
  }

  func freePage(_ page: PageID) {
    if pages.removeValue(forKey: page.index) == nil { fault("page \(page.index) freed twice") }
    counts.withLock { $0.pages -= 1 }
  }

  func forward(_ pass: Pass) throws {
    try onPass(pass)
    hashes = []
    if pass.batch.count > maxRows { fault("\(pass.batch.count) rows in a pass") }
    for (piece, table) in zip(pass.batch.pieces, pass.pages) {
      let table = Array(table)
      for (offset, token) in piece.tokens.enumerated() {
        let position = piece.position + offset
        guard position / pageLayout.positions < table.count else { return fault("no page for position \(position)") }
        let page = table[position / pageLayout.positions].index
        if pages[page] == nil { fault("page \(page) is not there") }
        pages[page]?[position % pageLayout.positions] = Cell(token: token, position: position, phase: piece.phase)
        if piece.wanted.contains(offset) { hashes.append(hash(table, count: position + 1)) }
      }
    }
    counts.withLock { counts in
      counts.passes += 1
      counts.rows += pass.batch.count
      counts.promptRows += pass.batch.promptCount
      counts.mostRows = max(counts.mostRows, pass.batch.count)
      if keepsPieces {
        counts.pieces.append(pass.batch.pieces.map { ($0.sequence, $0.position, $0.tokens.count, $0.phase) })
      }
    }
  }

  private func hash(_ table: [PageID], count: Int) -> UInt64 {
    var hash: UInt64 = 0x9E37_79B9_7F4A_7C15
    for position in 0..<count {
      guard let cell = pages[table[position / pageLayout.positions].index]?[position % pageLayout.positions],
        cell.position == position
      else {
        fault("position \(position) was never written")
        continue
      }
      let phase = countsPhase ? UInt64(cell.phase.rawValue) : 0
      hash = FakeExecutor.mix(hash &+ UInt64(UInt32(bitPattern: cell.token)) << 1 &+ phase)
    }
    return hash
  }

  private static func mix(_ value: UInt64) -> UInt64 {
    var value = value &+ 0x9E37_79B9_7F4A_7C15
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }

  func withLogits(
    of wanted: Range<Int>, _ body: (_ indices: Range<Int>, _ logits: UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    let width = model.configuration.vocabularySize
    for index in wanted {
      guard hashes.indices.contains(index) else { return fault("no logits of row \(index)") }
      let hash = hashes[index]
      logits = (0..<width).map { Float((hash >> UInt64($0 % 41)) & 0xFFFF) / 8192 + Float($0 % 7) / 16 }
      // No control token by chance.
      for token in 0..<3 { logits[token] = -100 }
      if hash % endsEvery == 0 { logits[Int(FakeExecutor.end)] = 100 }
      try logits.withUnsafeBufferPointer { try body(index..<index + 1, $0) }
    }
  }

  func candidates(of wanted: Range<Int>, count: Int) throws -> [[TokenCandidate]] {
    var lists: [[TokenCandidate]] = []
    try withLogits(of: wanted) { _, logits in
      var best = 0
      for token in logits.indices where logits[token] > logits[best] { best = token }
      lists.append([TokenCandidate(token: Int32(best), logit: logits[best])])
    }
    return lists
  }

  private func fault(_ text: String) { counts.withLock { $0.faults.append(text) } }

  var statistics: ExecutorStatistics { ExecutorStatistics(layers: []) }
  func resetStatistics() {}
  var memory: ExecutorMemory { ExecutorMemory(workspace: 0, copies: 0) }
}
