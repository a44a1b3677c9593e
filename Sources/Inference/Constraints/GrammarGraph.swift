/// A set of byte values.
struct ByteSet: Sendable, Equatable {
  private var words = SIMD4<UInt64>()

  mutating func insert(_ range: ClosedRange<UInt8>) {
    for byte in range { words[Int(byte >> 6)] |= 1 << UInt64(byte & 63) }
  }

  func contains(_ byte: UInt8) -> Bool { words[Int(byte >> 6)] >> UInt64(byte & 63) & 1 == 1 }
}

/// A grammar as a machine over bytes: nodes joined by edges, some of which run through another rule first.
struct GrammarGraph: Sendable {
  struct Node: Sendable {
    /// Bytes that lead on, and where to.
    var edges: [(bytes: ByteSet, target: Int32)] = []
    /// Nodes that are reached without a byte.
    var free: [Int32] = []
    /// A rule that has to be passed, and the node behind it.
    var call: (rule: Int32, next: Int32)?
    /// Whether a rule ends here.
    var isEnd = false
  }

  private(set) var nodes: [Node] = []
  /// The first node of every rule; `root` is rule 0.
  private(set) var starts: [Int32] = []
  /// Whether from a node nothing can follow in its rule: whoever called it need not be remembered.
  private(set) var isLast: [Bool] = []

  static let nodeLimit = 200_000
  private static let depthLimit = 400

  private var numbers: [String: Int32] = [:]
  private var depth = 0

  /// - Throws: ``GrammarError``.
  init(_ rules: GrammarRules) throws(GrammarError) {
    guard rules.contains(GrammarRules.root) else { throw .noRule(name: GrammarRules.root) }
    let names = [GrammarRules.root] + rules.names.filter { $0 != GrammarRules.root }
    for (index, name) in names.enumerated() {
      numbers[name] = Int32(index)
      starts.append(try addNode())
    }
    for (index, name) in names.enumerated() {
      let end = try addNode()
      nodes[Int(end)].isEnd = true
      guard let expression = rules.expressions[name] else { continue }
      try add(expression, from: starts[index], to: end)
    }
    isLast = nodes.indices.map { isOnlyEnd(Int32($0)) }
    try check(names)
  }

  // MARK: Building

  private mutating func addNode() throws(GrammarError) -> Int32 {
    guard nodes.count < Self.nodeLimit else { throw .tooLarge(limit: Self.nodeLimit) }
    nodes.append(Node())
    return Int32(nodes.count - 1)
  }

  private mutating func join(_ from: Int32, _ to: Int32) { nodes[Int(from)].free.append(to) }

  private mutating func add(_ expression: GrammarExpression, from: Int32, to: Int32) throws(GrammarError) {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthLimit else { throw .tooDeep(limit: Self.depthLimit) }
    switch expression {
    case .scalar(let set): try add(set, from: from, to: to)
    case .literal(let text):
      var node = from
      for byte in text.utf8 {
        let next = try addNode()
        var bytes = ByteSet()
        bytes.insert(byte...byte)
        nodes[Int(node)].edges.append((bytes, next))
        node = next
      }
      join(node, to)
    case .sequence(let parts):
      var node = from
      for part in parts {
        let next = try addNode()
        try add(part, from: node, to: next)
        node = next
      }
      join(node, to)
    case .choice(let parts):
      for part in parts {
        let begin = try addNode()
        join(from, begin)
        try add(part, from: begin, to: to)
      }
    case .repeated(let part, let least, let most): try add(part, least, most, from: from, to: to)
    case .rule(let name):
      guard let rule = numbers[name] else { throw .noRule(name: name) }
      let begin = try addNode()
      join(from, begin)
      nodes[Int(begin)].call = (rule, to)
    }
  }

  private mutating func add(_ set: ScalarSet, from: Int32, to: Int32) throws(GrammarError) {
    for sequence in set.byteSequences {
      var node = from
      for (index, range) in sequence.enumerated() {
        let next = index == sequence.count - 1 ? to : try addNode()
        var bytes = ByteSet()
        bytes.insert(range)
        nodes[Int(node)].edges.append((bytes, next))
        node = next
      }
    }
  }

  private mutating func add(
    _ part: GrammarExpression, _ least: Int, _ most: Int?, from: Int32, to: Int32
  ) throws(GrammarError) {
    var node = from
    for _ in 0..<least {
      let next = try addNode()
      try add(part, from: node, to: next)
      node = next
    }
    guard let most else {
      let loop = try addNode(), back = try addNode()
      join(node, loop)
      join(loop, to)
      try add(part, from: loop, to: back)
      join(back, loop)
      return
    }
    for _ in least..<most {
      join(node, to)
      let next = try addNode()
      try add(part, from: node, to: next)
      node = next
    }
    join(node, to)
  }

  // MARK: Checking

  private func isOnlyEnd(_ start: Int32) -> Bool {
    var node = start
    for _ in 0..<16 {
      let all = nodes[Int(node)]
      guard all.edges.isEmpty, all.call == nil else { return false }
      if all.isEnd { return all.free.isEmpty }
      guard all.free.count == 1 else { return false }
      node = all.free[0]
    }
    return false
  }

  /// Every rule must have a text, and must not come to itself again before a byte of it.
  private func check(_ names: [String]) throws(GrammarError) {
    if let endless = rulesPassed(reading: true).firstIndex(of: false) { throw .noText(rule: names[endless]) }
    let nullable = rulesPassed(reading: false)
    // Depth first through the rules that can stand at the beginning of one.
    var state = [UInt8](repeating: 0, count: starts.count)  // 1 on the way, 2 done
    for root in starts.indices where state[root] == 0 {
      var path: [(rule: Int, next: [Int])] = [(root, firstRules(root, nullable))]
      state[root] = 1
      while let (rule, next) = path.last {
        guard let child = next.last else {
          state[rule] = 2
          path.removeLast()
          continue
        }
        path[path.count - 1].next.removeLast()
        if state[child] == 1 { throw .leftRecursion(rule: names[child]) }
        if state[child] == 2 { continue }
        state[child] = 1
        path.append((child, firstRules(child, nullable)))
      }
    }
  }

  /// For every rule whether its end is reached: by any text, or without reading a byte.
  private func rulesPassed(reading: Bool) -> [Bool] {
    var before = [[Int32]](repeating: [], count: nodes.count)  // nodes one step before
    var waiting = [[Int32]](repeating: [], count: nodes.count)  // nodes that come here through a rule
    var callers = [[Int32]](repeating: [], count: starts.count)
    for (index, node) in nodes.enumerated() {
      for next in node.free + (reading ? node.edges.map(\.target) : []) { before[Int(next)].append(Int32(index)) }
      if let call = node.call {
        waiting[Int(call.next)].append(Int32(index))
        callers[Int(call.rule)].append(Int32(index))
      }
    }
    let rules = Dictionary(uniqueKeysWithValues: starts.enumerated().map { ($1, $0) })
    var passed = [Bool](repeating: false, count: starts.count)
    var isGood = nodes.map(\.isEnd)
    var left = nodes.indices.filter { isGood[$0] }
    func add(_ node: Int32) {
      guard !isGood[Int(node)] else { return }
      isGood[Int(node)] = true
      left.append(Int(node))
    }
    while let node = left.popLast() {
      before[node].forEach(add)
      for caller in waiting[node] where nodes[Int(caller)].call.map({ passed[Int($0.rule)] }) == true { add(caller) }
      guard let rule = rules[Int32(node)], !passed[rule] else { continue }
      passed[rule] = true
      for caller in callers[rule] where nodes[Int(caller)].call.map({ isGood[Int($0.next)] }) == true { add(caller) }
    }
    return passed
  }

  /// The rules that can stand at the beginning of a rule.
  private func firstRules(_ rule: Int, _ nullable: [Bool]) -> [Int] {
    let first = reached(from: starts[rule]) { node in
      node.free + (node.call.map { nullable[Int($0.rule)] ? [$0.next] : [] } ?? [])
    }
    return first.compactMap { nodes[Int($0)].call.map { Int($0.rule) } }
  }

  private func reached(from start: Int32, _ steps: (Node) -> [Int32]) -> Set<Int32> {
    var seen: Set = [start]
    var left = [start]
    while let node = left.popLast() {
      for next in steps(nodes[Int(node)]) where seen.insert(next).inserted { left.append(next) }
    }
    return seen
  }
}
