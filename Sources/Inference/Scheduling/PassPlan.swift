import PowerInferGPU

/// Chooses what one pass computes: a row for each running answer first, then pieces of prompts, as many rows in all as a pass takes.
struct PassPlan {
  /// In the batch's order, in which logits come: what is read as a prompt, then answers.
  private(set) var pieces: [(request: ScheduledRequest, piece: Batch.Piece)] = []
  /// What could not get a page although nothing else is computed.
  private(set) var stuck: ScheduledRequest?

  private let core: EngineCore
  private let rows: Int
  private let sharesPrefixes: Bool
  /// All of them in the order in which they came.
  private let requests: [ScheduledRequest]
  private let paused: [ScheduledRequest]

  /// - Parameters:
  ///   - requests: those that are computed, oldest first.
  ///   - turn: counts passes, so that everybody is first at times.
  ///   - rows: what a pass takes.
  ///   - sharesPrefixes: whether a request waits for an older one that is reading the same.
  init(_ requests: [ScheduledRequest], turn: Int, rows: Int, sharesPrefixes: Bool, core: EngineCore) {
    self.core = core
    self.rows = rows
    self.sharesPrefixes = sharesPrefixes
    self.requests = requests
    paused = requests.filter(\.isPaused)
    let able = requests.filter { request in !paused.contains { $0 === request } }
    let answers = able.filter(\.isDecoding)
    let readers = able.filter { !$0.isDecoding }

    let most = decodeRows(hasReaders: !readers.isEmpty, turn: turn)
    let decoding = decode(Self.some(most, of: answers, turn), most: most)
    read(readers, turn: turn, rows: rows - decoding.count)
    pieces += decoding
    // Those whose turn it was may all have had to wait.
    if pieces.isEmpty { pieces = decode(answers, most: rows) }
    if pieces.isEmpty { stuck = unstick(readers) }
    // Answers that are read again are among the prompts.
    pieces = pieces.filter { $0.piece.phase == .prompt } + pieces.filter { $0.piece.phase == .decode }
  }

  // MARK: Answers

  /// Rows that answers may take: where prompts wait, a part is theirs.
  private func decodeRows(hasReaders: Bool, turn: Int) -> Int {
    guard hasReaders else { return rows }
    return rows > 1 ? rows - max(1, rows / 4) : turn % 2
  }

  /// Where pages are short, the oldest answers go on. Others give up pages, whose tokens they read again later, or wait.
  ///
  /// - Parameter answers: oldest first, so that whoever gives up a page has no piece in this pass yet.
  private func decode(
    _ answers: [ScheduledRequest], most: Int
  ) -> [(request: ScheduledRequest, piece: Batch.Piece)] {
    var decoding: [(request: ScheduledRequest, piece: Batch.Piece)] = []
    for request in answers where decoding.count < most && request.isDecoding && !request.hasEnded {
      if room(1, for: request, from: victims(of: request)) == 1 {
        if let piece = piece(of: request, 1) { decoding.append((request, piece)) }
      } else if !requests.contains(where: { $0 !== request && $0.hasPages(core) }) {
        request.end(.cacheFull, core)
      }
    }
    return decoding
  }

  /// Who gives up pages for an answer, the last of them first: those whose consumer does not read, then the newest of those that read a
  /// prompt, or a newer request's answer again, then the newest answer.
  private func victims(of answer: ScheduledRequest) -> [ScheduledRequest] {
    let newer = requests.drop { $0 !== answer }.dropFirst()
    let readers = requests.filter { request in
      !request.isDecoding && (!request.isAnswering || newer.contains { $0 === request })
    }
    return newer.filter(\.isDecoding) + readers + paused
  }

  // MARK: Prompts

  /// Shares rows between prompts: all get as many, and what short ones leave goes to the longer ones.
  private mutating func read(_ readers: [ScheduledRequest], turn: Int, rows: Int) {
    var sharers = Self.rotated(readers.filter(isReady), turn)
    // The sort must keep the order of equals, which takes turns.
    if sharers.count <= rows {
      sharers = sharers.enumerated().sorted { ($0.element.run, $0.offset) < ($1.element.run, $1.offset) }.map(\.element)
    }
    var rest = rows
    for (index, request) in sharers.enumerated() where rest > 0 {
      let share = min(request.run, max(1, rest / (sharers.count - index)))
      let count = room(share, for: request, from: paused.filter { $0 !== request })
      guard let piece = piece(of: request, count) else { continue }
      pieces.append((request, piece))
      rest -= count
    }
  }

  /// Whether a request may read, which it begins to here; false while an older one reads the same for both.
  private func isReady(_ request: ScheduledRequest) -> Bool {
    guard request.sequence == nil else { return true }
    if sharesPrefixes, request.ticket.request.usesPrefixes, isServed(request) { return false }
    request.begin(core)
    return true
  }

  private func isServed(_ request: ScheduledRequest) -> Bool {
    if let (older, count) = request.awaited, !older.hasEnded {
      if older.position < min(count, older.promptCount), !older.isPaused { return true }
      if !older.isAnswering { older.keepPrefix(core, wholePages: true) }
    }
    request.awaited = nil
    let page = core.executor.pageLayout.positions
    let known = core.known(of: request.tokens)
    for older in requests {
      if older === request { break }
      guard older.isReadingPrompt, older.sequence != nil, older.ticket.request.keepsPrefix else { continue }
      let most = min(request.tokens.count - 1, older.promptCount)
      let common = zip(request.tokens[..<most], older.tokens).prefix { $0 == $1 }.count / page * page
      guard common > known else { continue }
      if older.position >= common {
        older.keepPrefix(core, wholePages: true)
      } else if !older.isPaused {
        request.awaited = (older, common)
        return true
      }
    }
    return false
  }

  // MARK: Pages

  /// Takes pages for up to `count` next tokens, from others where there is no other way.
  ///
  /// - Returns: for how many tokens there are pages.
  private func room(_ count: Int, for request: ScheduledRequest, from victims: [ScheduledRequest]) -> Int {
    guard let sequence = request.sequence else { return 0 }
    while true {
      let found: Int
      do {
        found = try core.room(count, for: sequence)
      } catch is GPUError {
        // No lack of pages: the pass fails in the same way, and says so.
        return count
      } catch {
        found = 0
      }
      if found > 0 { return found }
      guard let victim = victims.last(where: { $0 !== request && $0.hasPages(core) }) else { return 0 }
      victim.giveUpPage(core)
    }
  }

  /// Lets the oldest prompt go on at the cost of the others, where none can.
  ///
  /// - Returns: the request where even that is not enough.
  private mutating func unstick(_ readers: [ScheduledRequest]) -> ScheduledRequest? {
    guard let oldest = readers.first(where: { $0.sequence != nil && !$0.hasEnded }) else { return nil }
    let count = room(min(oldest.run, rows), for: oldest, from: requests)
    guard let piece = piece(of: oldest, count) else { return oldest }
    pieces.append((oldest, piece))
    return nil
  }

  private func piece(of request: ScheduledRequest, _ count: Int) -> Batch.Piece? {
    guard count > 0, let sequence = request.sequence else { return nil }
    let (tokens, phase) = request.next(count)
    let isLast = request.unread == tokens.count && request.wantsLogits
    return Batch.Piece(
      sequence: sequence, position: request.position, tokens: tokens, phase: phase,
      wanted: isLast ? tokens.count - 1..<tokens.count : 0..<0)
  }

  /// As many as are wanted, others at each turn, in the order in which they came.
  private static func some(_ count: Int, of list: [ScheduledRequest], _ turn: Int) -> [ScheduledRequest] {
    if list.count <= count { return list }
    let chosen = Set(rotated(list, turn).prefix(count).map(ObjectIdentifier.init))
    return list.filter { chosen.contains(ObjectIdentifier($0)) }
  }

  private static func rotated<Element>(_ list: [Element], _ turn: Int) -> [Element] {
    guard list.count > 1 else { return list }
    let first = turn % list.count
    return Array(list[first...] + list[..<first])
  }
}
