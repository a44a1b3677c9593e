public import PowerInferGPU
public import PowerInferModel
import PowerInferKernels
import PowerInferPlatform
public import PowerInferSparsity

/// The forward pass on a graphics card, all of it: weights, cache and activations lie in the device's memory.
///
/// ```swift
/// let device = try GPU.open(0)
/// let engine = try Engine(executor: try GPUExecutor(model: model, device: device))
/// ```
///
/// A pass is one submission to the device and one wait. What is submitted is recorded once for each number of rows and then replayed:
/// what changes from pass to pass lies in tables that the host writes. A few rows of logits come back with the pass, more
/// when they are asked for. A row alone goes through a list of neurons that the device made; several rows compute all neurons, and each
/// leaves out its own. Results repeat bit for bit on one device.
public final class GPUExecutor: ModelExecutor {
  public let model: LanguageModel
  public let maxRows: Int
  /// Where the model runs.
  public let device: any GPUDevice
  let weights: GPUWeights
  let work: GPUWorkspace
  let tables: GPUPassTables
  private let store: GPUPageStore
  let weightBytes: Int
  private var kernels: GPUKernels
  private(set) var recordings: [GPUPassShape: any GPURecording] = [:]
  private var order: [GPUPassShape] = []
  private var generation = 0
  private let chunkRows: any GPUBuffer
  let isProfiled: Bool
  var times = GPUStageTimes()
  /// How neurons are chosen, and why so.
  let mode: SparsityMode
  let reason: String
  /// Whether a row alone goes through lists.
  private let lists: Bool
  /// Whether rows leave out neurons that may give something, or read another matrix where they leave out any.
  private let masks: Bool
  /// What was listed and what gave something, of each layer that is here.
  var counts: [NeuronCount]
  /// The layers that are here: all, or the last ones.
  let firstLayer: Int
  let handover: GPUHandover?
  /// Computes the rest, where the device has a part of the model. Set once, before the first pass.
  var share: ProcessorShare?
  /// What both did.
  var shared: HybridTimes

  /// Logits of the last pass that are on the host.
  private var ready: Ready = .none
  private var lastShape: GPUPassShape?

  private enum Ready {
    case none
    /// In the workspace's buffer for the host: those of some wanted rows.
    case brought(Range<Int>)
    /// Of a pass that was made in parts: [wanted, V].
    case collected([Float])
  }

  /// Rows that are computed by single rows of weights; more go by tiles.
  private static let fewRows = ProductTiling.most
  /// Shapes whose recordings are kept.
  private static let keptRecordings = 32
  /// Of the up projection, from which leaving out silent neurons is taken to pay.
  private static let leastSkippedBytes = 8 << 20
  /// How much is done at a time; tests take less, so that tiny models come to it.
  struct Limits {
    /// Logits that are brought with the pass: less than another submission costs.
    var broughtBytes = 1 << 20
    /// Most bytes of logits at a time.
    var logitBytes = 32 << 20
    /// Products of weights that a software device makes in one submission, which cannot be interrupted: about a second's.
    var softwareProducts = 2 << 30
    /// Positions that a decoded row takes at once at least: long enough that merging costs little, short enough that the heads of
    /// one row keep a device busy.
    var leastStretch = 512
    /// Whether device and processor meet once more in the middle of their parts of a layer, which only those can that work at the same
    /// time. For tests.
    var meetsInside = false
  }
  let limits: Limits

  public var pageLayout: PageLayout { store.layout }

  /// Whether there are kernels for everything in a model.
  ///
  /// - Throws: ``GPUModelError``, which says what there is none for.
  ///
  /// - Parameter sparsity: what neurons are chosen by; predictors are weights, too.
  public static func check(_ model: LanguageModel, sparsity: SparsityOptions = SparsityOptions()) throws {
    try GPUWeights.check(model, SparsityRecipe(model: model, options: sparsity).askingWholeGates)
  }

  /// Bytes of a model's weights on a device, but for rounding.
  ///
  /// - Parameter sparsity: what neurons are chosen by; predictors are weights, too.
  /// - Throws: `SparsityError` where neurons cannot be chosen so.
  public static func weightBytes(_ model: LanguageModel, sparsity: SparsityOptions = SparsityOptions()) throws -> Int {
    GPUWeights.byteCount(model, try SparsityRecipe(model: model, options: sparsity).askingWholeGates)
  }

  /// Uploads a model.
  ///
  /// - Parameters:
  ///   - model: of formats and sizes that there are kernels for.
  ///   - device: opened for nobody else.
  ///   - options: the context, the batch size, the cache formats and how neurons are chosen.
  /// - Throws: ``GPUModelError`` for a model that cannot run on a GPU, `GPUError` where memory is not to be had, ``EngineError`` for options
  ///   out of range, `SparsityError` where neurons cannot be chosen as asked.
  public convenience init(model: LanguageModel, device: any GPUDevice, options: EngineOptions = EngineOptions()) throws
  {
    try self.init(model: model, device: device, options: options, limits: Limits())
  }

  /// - Parameter split: what the processor computes; `nil` for nothing.
  init(
    model: LanguageModel, device: any GPUDevice, options: EngineOptions, limits: Limits, split: GPUSplit? = nil
  ) throws {
    self.limits = limits
    let recipe = try SparsityRecipe(model: model, options: options.sparsity).askingWholeGates
    try GPUWeights.check(model, recipe)
    guard split != nil || options.sparsity.resident == nil else { throw GPUModelError.partOfLayers }
    guard options.observer == nil, options.activationObserver == nil else { throw GPUModelError.observers }
    try EngineOptions.check("batch size", options.batchSize, EngineOptions.batchSizeRange)
    try EngineOptions.check("number of threads", options.threads ?? 1, EngineOptions.threadRange)
    let contextSize = try options.contextSize(for: model)
    self.model = model
    self.device = device
    isProfiled = options.isProfiled
    let rows = min(options.batchSize, contextSize)
    maxRows =
      device.description.kind == .software
      ? min(rows, Self.softwareRows(model, products: limits.softwareProducts)) : rows
    let needsTeam = recipe.sources.indices.contains { !recipe.extras($0).isEmpty }
    let sources = Self.sources(model, recipe, options.sparsity.mode, device)
    let first = split?.firstLayer ?? 0
    firstLayer = first
    // Buffers of a fixed size come first: where memory is short, what is left is for neurons.
    store = try GPUPageStore(
      configuration: model.configuration, layers: model.configuration.layerCount - first, keys: options.keyFormat,
      values: options.valueFormat, contextSize: split == nil ? nil : contextSize, on: device)
    tables = try GPUPassTables(
      model, rows: maxRows, contextSize: contextSize, leastStretch: limits.leastStretch, on: device)
    let predictors =
      recipe.sources.contains { $0.contains { $0.mode == .predictor } }
      ? model.weights.layers[first...].compactMap { $0.predictor?.rank } : []
    work = try GPUWorkspace(
      model, rows: maxRows, stretches: GPUPassTables.mostStretches, fewRows: Self.fewRows, ranks: Set(predictors),
      logitBytes: split?.hasOutput == false ? 0 : limits.logitBytes, isShared: split != nil, on: device)
    chunkRows = try device.makeBuffer(byteCount: work.logitRows * 4, role: .hostWritten, label: "listed rows")
    handover =
      split == nil ? nil : try GPUHandover(model, rows: maxRows, predicts: !predictors.isEmpty, on: device)
    let before = device.usage.bufferBytes
    weights = try GPUWeights(
      model, recipe, sources: sources, split: split, on: device,
      team: ThreadTeam(workers: needsTeam ? options.threads ?? Processors.recommended : 1))
    weightBytes = device.usage.bufferBytes - before
    kernels = GPUKernels(device)
    mode = options.sparsity.mode
    let name = device.description.name
    reason =
      switch (split == nil, mode == .bits) {
      case (true, false): "the whole model is on \(name)"
      case (true, true): "the whole model is on \(name), which asks whole gates"
      case (false, false): "the processor and \(name) share the model"
      case (false, true): "the processor shares the model with \(name), which asks whole gates of its neurons"
      }
    lists = weights.layers.contains { $0.source != .dense }
    masks = weights.layers.contains { !$0.source.mode.isLossless || $0.neurons?.turned != nil }
    counts = Array(repeating: NeuronCount(), count: weights.layers.count)
    shared = HybridTimes(layers: model.configuration.layerCount)
  }

  /// Rows of a pass on a software device, so that it ends soon; some at least, which share what is read.
  private static func softwareRows(_ model: LanguageModel, products: Int) -> Int {
    let one = model.weights.products(
      tokens: 1, logits: 1, hasParallelBlocks: model.configuration.architecture.hasParallelBlocks)
    return max(4, products / max(1, one))
  }

  /// What each layer chooses neurons by. Where that is left to the executor, silent ones are left out where it is possible and likely to
  /// pay: a list costs a few dispatches, which small layers of a fast device do not make up for.
  private static func sources(
    _ model: LanguageModel, _ recipe: SparsityRecipe, _ mode: SparsityMode, _ device: any GPUDevice
  ) -> [ActivationSource] {
    zip(recipe.sources, model.weights.layers).map { sources, layer in
      guard mode == .auto else { return sources[0] }
      let pays = device.description.kind == .software || layer.up.rows * layer.up.rowBytes >= leastSkippedBytes
      return sources.contains(.gate) && pays ? .gate : .dense
    }
  }

  // MARK: Pages

  public func allocatePage(_ page: PageID) throws {
    // They hold the buffers that are to be replaced.
    if store.grows(for: page) { (recordings, order) = ([:], []) }
    try store.allocate(page)
  }
  public func copyPage(_ source: PageID, to target: PageID, positions: Int) throws {
    try store.copy(source, to: target)
  }
  public func freePage(_ page: PageID) {}

  // MARK: Passes

  public func forward(_ pass: Pass) throws {
    let groups = groups(pass)
    // Of a batch without prompts it says the same.
    let skipsInPrompts = pass.batch.skipping.count == pass.batch.count
    ready = .none
    if groups.count == 1 {
      try run(groups[0], pass.batch.arithmetic, skipsInPrompts: skipsInPrompts)
      return
    }
    var collected: [Float] = []
    for group in groups {
      ready = .none
      try run(group, pass.batch.arithmetic, skipsInPrompts: skipsInPrompts)
      let wanted = group.reduce(0) { $0 + $1.piece.wanted.count }
      try withLogits(of: 0..<wanted) { _, logits in collected += logits }
    }
    ready = .collected(collected)
  }

  typealias Group = [(piece: Batch.Piece, pages: ArraySlice<PageID>)]

  /// Pieces that are computed together. Where arithmetic follows the phase, prompts and answers go apart, and answers few at a time.
  private func groups(_ pass: Pass) -> [Group] {
    let all = zip(pass.batch.pieces, pass.pages).map { (piece: $0, pages: $1) }
    guard pass.batch.arithmetic == .byPhase else { return [all] }
    let prompts = all.filter { $0.piece.phase == .prompt }
    var groups = prompts.isEmpty ? [] : [prompts]
    var (some, rows): (Group, Int) = ([], 0)
    // Pieces of answers have one token, but for those that are read again.
    for entry in all where entry.piece.phase == .decode {
      for part in entry.piece.cut(Self.fewRows) {
        if rows + part.tokens.count > Self.fewRows {
          groups.append(some)
          (some, rows) = ([], 0)
        }
        some.append((part, entry.pages))
        rows += part.tokens.count
      }
    }
    if !some.isEmpty { groups.append(some) }
    return groups
  }

  private func run(_ group: Group, _ arithmetic: Batch.Arithmetic, skipsInPrompts: Bool) throws {
    let rows = group.reduce(0) { $0 + $1.piece.tokens.count }
    let wanted = group.reduce(0) { $0 + $1.piece.wanted.count }
    let hasPrompt = group.contains { $0.piece.phase == .prompt }
    let isMany = arithmetic == .byPhase ? hasPrompt : rows > Self.fewRows
    let sharing = model.configuration.queriesPerKeyValueHead
    let isWide = arithmetic == .byPhase ? hasPrompt : rows > group.count
    // Of the last rows, which alone may leave out neurons.
    let skippers = group.filter { skipsInPrompts || $0.piece.phase == .decode }
    let skipping = skippers.reduce(0) { $0 + $1.piece.tokens.count }
    let shape = GPUPassShape(
      rows: rows, wanted: wanted, isMany: isMany,
      hasManyLogits: arithmetic == .byPhase ? isMany : wanted > Self.fewRows,
      tileRows: isWide ? max(1, 16 / sharing) : 1,
      skipping: masks ? skipping : 0, wantedSkipping: masks ? skippers.reduce(0) { $0 + $1.piece.wanted.count } : 0,
      predictsMany: masks && (arithmetic == .byPhase ? isMany : skipping > Self.fewRows),
      lists: lists && rows == 1 && skipping == 1 && !isMany,
      bringsLogits: weights.output != nil && wanted <= work.logitRows
        && wanted * model.configuration.vocabularySize * 4 <= limits.broughtBytes)
    let attention = GPUPass.attention(model.configuration, tileRows: shape.tileRows, work: work).0
    try tables.fill(group, tileRows: shape.tileRows, attention: attention, stateRows: work.stateRows)
    let recording = try recording(shape)
    let start = ContinuousClock.now
    if let share {
      share.begin(group, arithmetic, skipsInPrompts: skipsInPrompts)
      defer { share.end() }
      try run(recording, shape, with: share)
    } else {
      try device.run(recording)
    }
    if isProfiled {
      times.add(
        hasPrompt ? .prompt : .decode,
        StageTimes.Work(
          passes: 1, tokens: rows, positions: group.reduce(0) { $0 + $1.piece.visiblePositions }, logits: wanted),
        try recording.timings, elapsed: ContinuousClock.now - start)
    }
    if shape.lists { try count(layers: wanted > 0 ? counts.count : counts.count - 1) }
    lastShape = shape
    ready = shape.bringsLogits ? .brought(0..<wanted) : .none
  }

  private func recording(_ shape: GPUPassShape) throws -> any GPURecording {
    if generation != store.generation {
      (recordings, order) = ([:], [])
      generation = store.generation
    }
    if let recording = recordings[shape] { return recording }
    if order.count >= Self.keptRecordings { recordings[order.removeFirst()] = nil }
    let recording = try record("a pass of \(shape.rows) rows", shape) { try $0.record() }
    recordings[shape] = recording
    order.append(shape)
    return recording
  }

  private func record(
    _ label: String, _ shape: GPUPassShape, _ body: (inout GPUPass) throws -> Void
  ) throws -> any GPURecording {
    try device.record(label, options: GPURecordingOptions(timesStages: isProfiled)) { recorder in
      var pass = GPUPass(
        model: model, weights: weights, work: work, tables: tables, store: store, handover: handover, shape: shape,
        meetsInside: limits.meetsInside, kernels: kernels, recorder: recorder)
      defer {
        recorder = pass.recorder
        kernels = pass.kernels
      }
      try body(&pass)
    }
  }

  // MARK: Logits

  public func withLogits(
    of wanted: Range<Int>, _ body: (Range<Int>, UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    let width = model.configuration.vocabularySize
    if weights.output == nil, let share {
      if case .collected = ready {} else { return try share.withLogits(of: wanted, body) }
    }
    if case .collected(let logits) = ready {
      try logits.withUnsafeBufferPointer {
        try body(wanted, UnsafeBufferPointer(rebasing: $0[wanted.lowerBound * width..<wanted.upperBound * width]))
      }
      return
    }
    var start = wanted.lowerBound
    while start < wanted.upperBound {
      let brought = try bring(from: start, until: wanted.upperBound)
      let some = start..<min(brought.upperBound, wanted.upperBound)
      guard let bytes = work.hostLogits.hostBytes else { throw GPUError.notVisible(buffer: work.hostLogits.label) }
      let logits = bytes.bindMemory(to: Float.self)
      let first = (start - brought.lowerBound) * width
      try body(some, UnsafeBufferPointer(rebasing: logits[first..<first + some.count * width]))
      start = some.upperBound
    }
  }

  /// Has the logits of a wanted row, and of some more, on the host.
  private func bring(from start: Int, until end: Int) throws -> Range<Int> {
    if case .brought(let rows) = ready, rows.contains(start) { return rows }
    guard let shape = lastShape else { throw EngineError.noTokens }
    if shape.wanted <= work.logitRows {
      try device.run(record("logits of \(shape.wanted) rows", shape) { try $0.bringLogits(shape.wanted) })
      ready = .brought(0..<shape.wanted)
      return 0..<shape.wanted
    }
    let some = start..<min(start + work.logitRows, end)
    try chunkRows.store(some.map { UInt32($0) })
    try device.run(
      record("logits of \(some.count) listed rows", shape) { try $0.logits(ofListed: chunkRows, some.count) })
    ready = .brought(some)
    return some
  }

  public func candidates(of wanted: Range<Int>, count: Int) throws -> [[TokenCandidate]] {
    // The kernel finds one at least.
    guard count > 0 else { return wanted.map { _ in [] } }
    if weights.output != nil, case .none = ready, let shape = lastShape, shape.wanted <= work.logitRows,
      count <= GPUWorkspace.candidateCount
    {
      return try candidatesOnDevice(shape, wanted, count: count)
    }
    let width = model.configuration.vocabularySize
    var found: [[TokenCandidate]] = []
    try withLogits(of: wanted) { rows, logits in
      for row in 0..<rows.count {
        let some = UnsafeBufferPointer(rebasing: logits[row * width..<(row + 1) * width])
        found.append(LogitsSummary.best(some, count: count))
      }
    }
    return found
  }

  private func candidatesOnDevice(
    _ shape: GPUPassShape, _ wanted: Range<Int>, count: Int
  ) throws -> [[TokenCandidate]] {
    try device.run(
      record("\(count) candidates of \(shape.wanted) rows", shape) { try $0.candidates(shape.wanted, count: count) })
    let numbers = try work.found.load(UInt32.self, count: shape.wanted)
    return try wanted.map { row in
      let words = try work.candidates.load(UInt32.self, at: row * count * 8, count: 2 * Int(numbers[row]))
      return stride(from: 0, to: words.count, by: 2).map {
        TokenCandidate(token: Int32(bitPattern: words[$0]), logit: Float(bitPattern: words[$0 + 1]))
      }
    }
  }
}

extension Batch.Piece {
  /// Positions that its rows see, all together.
  fileprivate var visiblePositions: Int { tokens.count * position + tokens.count * (tokens.count + 1) / 2 }

  /// The same in pieces of at most `count` tokens.
  fileprivate func cut(_ count: Int) -> [Batch.Piece] {
    guard tokens.count > count else { return [self] }
    return stride(from: 0, to: tokens.count, by: count).map { start in
      let end = min(start + count, tokens.count)
      let own = wanted.clamped(to: start..<end)
      return Batch.Piece(
        sequence: sequence, position: position + start,
        tokens: tokens[(tokens.startIndex + start)..<(tokens.startIndex + end)], phase: phase,
        wanted: own.isEmpty ? 0..<0 : own.lowerBound - start..<own.upperBound - start)
    }
  }
}
