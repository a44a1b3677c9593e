import OrderedCollections

/// Filters that order, cut and add up sequences.
enum SequenceFilters {
  nonisolated(unsafe) static let table: [String: FilterTable.Filter] = [
    "list": { call in
      _ = try call.bind()
      return .list(try call.items())
    },
    "first": first, "last": last, "reverse": reverse, "sort": sort, "dictsort": dictionarySort, "unique": unique,
    "min": { try extreme($0, isLargest: false) },
    "max": { try extreme($0, isLargest: true) },
    "sum": sum, "groupby": groupBy, "batch": batch, "slice": slice, "items": items,
  ]

  private static func first(_ call: FilterCall) throws -> Object {
    _ = try call.bind()
    if case .iterator(let iterator) = call.input { return try iterator.next() ?? empty("first") }
    return try call.items().first ?? empty("first")
  }

  private static func last(_ call: FilterCall) throws -> Object {
    _ = try call.bind()
    if case .iterator = call.input {
      throw JinjaError.runtime("a lazy sequence has no end to begin at; use 'list' first.")
    }
    return try call.items().last ?? empty("last")
  }

  private static func empty(_ which: String) -> Object { .because("there is no \(which) item, the sequence is empty.") }

  private static func reverse(_ call: FilterCall) throws -> Object {
    _ = try call.bind()
    if let text = call.input.text { return call.marked(Text(text.letters.reversed())) }
    let items = try call.items()
    if case .iterator = call.input { return .list(items.reversed()) }
    return .iterator(Object.Iterator("reversed", depth: call.input.depth) { items.reversed() })
  }

  private static func sort(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("reverse", "case_sensitive", "attribute")
    let isSensitive = binding.isTrue("case_sensitive")
    let paths = try AttributePath.several(binding["attribute"])
    let sorted = try Sorting.sorted(try call.items(), reversed: binding.isTrue("reverse"), call.interpreter) { item in
      let keys = try paths.map { path in
        (try path?.value(in: item, call.interpreter) ?? item).folded(isSensitive)
      }
      return .list(keys)
    }
    return .list(sorted)
  }

  private static func dictionarySort(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("case_sensitive", "by", "reverse")
    guard case .dictionary(let mapping) = call.input else {
      if case .undefined(let reason) = call.input { throw JinjaError.runtime(reason.sentence) }
      throw JinjaError.runtime("the filter 'dictsort' needs a dictionary, found '\(call.input.typeName)'.")
    }
    let by = binding["by"]?.text?.string ?? "key"
    guard by == "key" || by == "value" else {
      throw JinjaError.runtime("the filter 'dictsort' sorts by 'key' or 'value'.")
    }
    let isSensitive = binding.isTrue("case_sensitive")
    let sorted = try Sorting.sorted(mapping.pairs, reversed: binding.isTrue("reverse"), call.interpreter) { pair in
      guard case .tuple(let sequence) = pair else { return pair }
      return sequence.items[by == "key" ? 0 : 1].folded(isSensitive)
    }
    return .list(sorted)
  }

  private static func unique(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("case_sensitive", "attribute")
    let path = try AttributePath(binding["attribute"])
    return lazy(call, "unique") {
      var seen: Set<Key> = []
      return try call.items().filter { item in
        let value = try path?.value(in: item, call.interpreter) ?? item
        return seen.insert(try Key(value.folded(binding.isTrue("case_sensitive")))).inserted
      }
    }
  }

  /// A sequence that is worked out when it is first read.
  static func lazy(_ call: FilterCall, _ name: String, _ items: @escaping () throws -> [Object]) -> Object {
    // Slices and batches put the items one level deeper.
    .iterator(Object.Iterator("generator", depth: call.input.depth + 1, items))
  }

  private static func extreme(_ call: FilterCall, isLargest: Bool) throws -> Object {
    let binding = try call.bind("case_sensitive", "attribute")
    let path = try AttributePath(binding["attribute"])
    var best: (item: Object, key: Object)?
    for item in try call.items() {
      let key = (try path?.value(in: item, call.interpreter) ?? item).folded(binding.isTrue("case_sensitive"))
      if let current = best {
        let (less, more) = isLargest ? (current.key, key) : (key, current.key)
        guard try Operators.isLess(less, more, call.interpreter) else { continue }
      }
      best = (item, key)
    }
    return best?.item ?? .because("there is nothing to compare, the sequence is empty.")
  }

  private static func sum(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("attribute", "start")
    let path = try AttributePath(binding["attribute"])
    var total = binding["start"] ?? .integer(0)
    guard total.text == nil else { throw JinjaError.runtime("the filter 'sum' does not add up strings; use 'join'.") }
    for item in try call.items() {
      let value = try path?.value(in: item, call.interpreter) ?? item
      total = try Operators.apply(.add, total, value, call.interpreter)
      try call.interpreter.charge(16)
      if case .list(let sequence) = total { try call.interpreter.checkElements(sequence.items.count) }
    }
    return total
  }

  private static func groupBy(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("attribute", "default", "case_sensitive", required: 1)
    let path = try AttributePath(binding["attribute"])
    let isSensitive = binding.isTrue("case_sensitive")
    func key(_ item: Object) throws -> Object {
      try path?.value(in: item, default: binding["default"], call.interpreter) ?? item
    }
    let sorted = try Sorting.sorted(try call.items(), reversed: false, call.interpreter) {
      try key($0).folded(isSensitive)
    }
    var groups: [(key: Object, items: [Object])] = []
    for item in sorted {
      let value = try key(item)
      if let last = groups.last,
        try Operators.areEqual(last.key.folded(isSensitive), value.folded(isSensitive), call.interpreter)
      {
        groups[groups.count - 1].items.append(item)
      } else {
        groups.append((value, [item]))
      }
    }
    return .list(groups.map { .tuple(Object.Sequence([$0.key, .list($0.items)], labels: ["grouper", "list"])) })
  }

  private static func batch(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("linecount", "fill_with", required: 1)
    let size = try binding.integer("linecount", default: 0)
    let fill = binding["fill_with"] ?? .none
    return lazy(call, "batch") {
      var rows: [[Object]] = []
      var row: [Object] = []
      for item in try call.items() {
        if row.count == size {
          rows.append(row)
          row = []
        }
        row.append(item)
      }
      if !row.isEmpty {
        if !fill.isNone, row.count < size {
          row += try call.interpreter.repeating([fill], size - row.count)
        }
        rows.append(row)
      }
      return rows.map { .list($0) }
    }
  }

  private static func slice(_ call: FilterCall) throws -> Object {
    let binding = try call.bind("slices", "fill_with", required: 1)
    let count = try binding.integer("slices", default: 1)
    let fill = binding["fill_with"] ?? .none
    return lazy(call, "slice") {
      guard count != 0 else { throw JinjaError.runtime("the filter 'slice' needs at least one slice.") }
      let items = try call.items()
      guard count > 0 else { return [] }
      try call.interpreter.checkElements(count)
      let size = items.count / count
      let extra = items.count % count
      var start = 0
      return (0..<count).map { index in
        let end = start + size + (index < extra ? 1 : 0)
        defer { start = end }
        return .list(Array(items[start..<end]) + (!fill.isNone && index >= extra ? [fill] : []))
      }
    }
  }

  private static func items(_ call: FilterCall) throws -> Object {
    _ = try call.bind()
    return lazy(call, "items") {
      switch call.input {
      case .undefined: return []
      case .dictionary(let mapping): return mapping.pairs
      default: throw JinjaError.runtime("the filter 'items' needs a dictionary, found '\(call.input.typeName)'.")
      }
    }
  }
}
