public import PowerInferModel

/// Names a page of the key/value cache.
public struct PageID: Hashable, Sendable {
  /// Small and used again: an index into an executor's table.
  public let index: Int

  public init(_ index: Int) { self.index = index }
}

/// What an executor's pages of the key/value cache are like.
public struct PageLayout: Sendable, Equatable {
  /// Positions of a page.
  public let positions: Int
  /// Bytes of a page's keys and values, of each layer.
  public let layerBytes: [Int]

  public init(positions: Int, layerBytes: [Int]) {
    self.positions = positions
    self.layerBytes = layerBytes
  }

  /// Bytes of a page, all layers together; as many as can be counted where they are too many.
  public var byteCount: Int {
    layerBytes.reduce(0) { sum, bytes in
      let (next, overflow) = sum.addingReportingOverflow(bytes)
      return overflow ? .max : next
    }
  }

  /// Bytes of one position, rounded up.
  public var bytesPerPosition: Int { byteCount / positions + (byteCount % positions == 0 ? 0 : 1) }

  /// Pages that hold so many positions.
  public func pages(for positions: Int) -> Int { (positions + self.positions - 1) / self.positions }
}

/// A batch with the pages that its sequences' keys and values lie in.
public struct Pass: Sendable {
  public let batch: Batch
  /// Of each piece of the batch, the pages of its sequence, in the order of positions: those up to the piece's end.
  public let pages: [ArraySlice<PageID>]

  public init(batch: Batch, pages: [ArraySlice<PageID>]) {
    self.batch = batch
    self.pages = pages
  }
}

/// Runs passes of one model somewhere: on the processor, on a graphics card, on both.
///
/// An engine owns the names of pages and knows who shares them; an executor owns their bytes. The engine makes one call at a
/// time, with batches that it has checked: known tokens, no more rows than ``maxRows``, positions and pages that fit.
public protocol ModelExecutor: AnyObject {
  /// What runs.
  var model: LanguageModel { get }
  /// Most rows of a batch.
  var maxRows: Int { get }
  /// The pages that this executor prefers.
  var pageLayout: PageLayout { get }

  /// Makes room for a page, whose contents are undefined.
  ///
  /// - Throws: ``EngineError/outOfCacheMemory(bytes:)`` where there is none.
  func allocatePage(_ page: PageID) throws
  /// Copies the first `positions` positions of a page, in all layers.
  func copyPage(_ source: PageID, to target: PageID, positions: Int) throws
  /// Gives a page's memory back.
  func freePage(_ page: PageID)

  /// Runs a batch through all layers, and writes the keys and values of its rows into their pages. Spec §4.2.
  ///
  /// Afterwards ``withLogits(of:_:)`` and ``candidates(of:count:)`` give what is known of the rows whose logits are wanted.
  func forward(_ pass: Pass) throws

  /// Calls `body` with logits of the last pass's wanted rows, some at a time and in order: their indices among the wanted rows
  /// and [indices.count, vocabulary]. The buffer is valid until `body` returns.
  func withLogits(
    of wanted: Range<Int>, _ body: (_ indices: Range<Int>, _ logits: UnsafeBufferPointer<Float>) throws -> Void) throws

  /// Calls `body` with the last layer's normalised outputs, which logits are made of, for the last pass's wanted rows:
  /// [wanted rows, hidden size]. The buffer is valid until `body` returns.
  ///
  /// - Throws: ``EngineError/noHiddenStates`` where they do not leave the executor, and what `body` throws.
  func withHiddenStates(of batch: Batch, _ body: (UnsafeBufferPointer<Float>) throws -> Void) throws

  /// The `count` likeliest tokens of some of the last pass's wanted rows, likeliest first, equal ones by token: for executors
  /// whose logits should not travel. Logits that are not a number are no candidates.
  func candidates(of wanted: Range<Int>, count: Int) throws -> [[TokenCandidate]]

  /// What was done since the beginning, or since ``resetStatistics()``.
  var statistics: ExecutorStatistics { get }
  /// Forgets what was measured so far, but not what was decided by it.
  func resetStatistics()
  /// What it holds in memory, beside the model and the pages.
  var memory: ExecutorMemory { get }
}

extension ModelExecutor {
  public func withHiddenStates(of batch: Batch, _ body: (UnsafeBufferPointer<Float>) throws -> Void) throws {
    throw EngineError.noHiddenStates
  }
}

/// A token and its logit.
public struct TokenCandidate: Sendable, Equatable {
  public var token: Int32
  public var logit: Float

  public init(token: Int32, logit: Float) {
    self.token = token
    self.logit = logit
  }
}

/// Memory of an executor, in bytes.
public struct ExecutorMemory: Sendable, Equatable {
  /// Buffers of a pass, allocated once.
  public var workspace: Int
  /// Copies of weights in another form than the file's.
  public var copies: Int

  public init(workspace: Int, copies: Int) {
    self.workspace = workspace
    self.copies = copies
  }
}
