import OrderedCollections

/// Python's attributes and elements, behind the rules of jinja2's sandbox.
extension Interpreter {
  /// `object.name`: a method or an attribute first, then the entry of that name.
  func attribute(_ name: String, of object: Object) throws -> Object {
    if case .undefined(let reason) = object { throw JinjaError.runtime(reason.sentence) }
    if let member = try member(name, of: object) { return member }
    if case .dictionary(let mapping) = object, let value = mapping[name] { return value }
    return missing(name, of: object)
  }

  /// `object[index]`: the element first, then the method or attribute of that name.
  func element(_ index: Object, of object: Object) throws -> Object {
    switch object {
    case .undefined(let reason): throw JinjaError.runtime(reason.sentence)
    case .dictionary(let mapping):
      if let key = try? Key(index), let entry = mapping.entries[key] { return entry.value }
    case .list(let sequence), .tuple(let sequence):
      if let position = position(index, count: sequence.items.count) { return sequence.items[position] }
    case .string(let text): if let part = try character(index, of: text) { return .string(part) }
    case .markup(let text): if let part = try character(index, of: text) { return .markup(part) }
    case .range(let range):
      if let position = position(index, count: range.count) { return .integer(range.element(position)) }
    default: break
    }
    if let name = index.text?.string {
      return try member(name, of: object) ?? missing(name, of: object)
    }
    return .because("\(Interpreter.describe(object)) has no element \(try index.represented().string).")
  }

  private func position(_ index: Object, count: Int) -> Int? {
    guard let index = index.integer else { return nil }
    let position = index < 0 ? index.addingReportingOverflow(count).partialValue : index
    return position >= 0 && position < count ? position : nil
  }

  private func character(_ index: Object, of text: Text) throws -> Text? {
    guard let wanted = index.integer else { return nil }
    try charge(text.byteCount)
    let scalars = text.string.unicodeScalars
    guard let position = position(.integer(wanted), count: scalars.count) else { return nil }
    let start = scalars.index(scalars.startIndex, offsetBy: position)
    let offset = text.string.utf8.distance(from: text.string.startIndex, to: start)
    return text.bytes(offset..<offset + UTF8.width(scalars[start]))
  }

  private func missing(_ name: String, of object: Object) -> Object {
    .because("\(Interpreter.describe(object)) has no attribute '\(name)'.")
  }

  private static func describe(_ object: Object) -> String {
    object.isNone ? "None" : "a value of type '\(object.typeName)'"
  }

  /// The method or attribute that Python's type itself has.
  func member(_ name: String, of object: Object) throws -> Object? {
    switch object {
    case .string(let text), .markup(let text): return StringMethods.method(name, of: text)
    case .dictionary(let mapping): return DictionaryMethods.method(name, of: mapping, self)
    case .list(let sequence): return ListMethods.method(name, of: sequence, self)
    case .tuple(let sequence):
      if let label = sequence.labels.firstIndex(of: name) { return sequence.items[label] }
      return ListMethods.search(name, sequence)
    case .namespace(let mapping): return mapping[name]
    case .loop(let loop): return loop.attribute(name)
    case .function(let function): return function.attributes(name)
    case .integer, .boolean, .double: return NumberMethods.method(name, of: object)
    case .range(let range): return NumberMethods.attribute(name, of: range)
    default: return nil
    }
  }
}
