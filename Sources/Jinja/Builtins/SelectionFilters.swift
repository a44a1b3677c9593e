import OrderedCollections

/// Filters that apply other filters and tests to each item.
enum SelectionFilters {
  nonisolated(unsafe) static let table: [String: FilterTable.Filter] = [
    "map": map,
    "select": { try select($0, keeps: true, byAttribute: false) },
    "reject": { try select($0, keeps: false, byAttribute: false) },
    "selectattr": { try select($0, keeps: true, byAttribute: true) },
    "rejectattr": { try select($0, keeps: false, byAttribute: true) },
  ]

  private static func map(_ call: FilterCall) throws -> Object {
    SequenceFilters.lazy(call, "map") {
      guard call.input.isTrue else { return [] }
      let transform = try transform(call)
      return try call.items().map { item in
        try call.interpreter.step()
        return try transform(item)
      }
    }
  }

  private static func transform(_ call: FilterCall) throws -> (Object) throws -> Object {
    var arguments = call.arguments
    if arguments.positional.isEmpty, let attribute = arguments.keywords.removeValue(forKey: "attribute") {
      let initial = arguments.keywords.removeValue(forKey: "default")
      if let unknown = arguments.keywords.keys.first {
        throw JinjaError.runtime("the filter 'map' has no argument named '\(unknown)'.")
      }
      let path = try AttributePath(attribute)
      return { item in try path?.value(in: item, default: initial, call.interpreter) ?? item }
    }
    guard !arguments.positional.isEmpty, let name = arguments.positional.removeFirst().text?.string else {
      throw JinjaError.runtime("the filter 'map' needs the name of a filter, or 'attribute='.")
    }
    return { item in
      try call.interpreter.deeper { try call.interpreter.apply(filter: name, to: item, arguments) }
    }
  }

  private static func select(_ call: FilterCall, keeps: Bool, byAttribute: Bool) throws -> Object {
    SequenceFilters.lazy(call, call.name) {
      guard call.input.isTrue else { return [] }
      var arguments = call.arguments
      var path: AttributePath?
      if byAttribute {
        guard !arguments.positional.isEmpty else {
          throw JinjaError.runtime("the filter '\(call.name)' needs the name of an attribute.")
        }
        path = try AttributePath(arguments.positional.removeFirst())
      }
      let test = arguments.positional.isEmpty ? nil : arguments.positional.removeFirst()
      guard test == nil || test?.text != nil else {
        throw JinjaError.runtime("the filter '\(call.name)' needs the name of a test.")
      }
      return try call.items().filter { item in
        try call.interpreter.step()
        let value = try path?.value(in: item, call.interpreter) ?? item
        guard let name = test?.text?.string else { return value.isTrue == keeps }
        return try call.interpreter.apply(test: name, to: value, arguments) == keeps
      }
    }
  }
}
