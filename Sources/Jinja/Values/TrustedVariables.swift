/// Which texts of a template's variables count as the template's own.
public struct TrustedVariables: Sendable {
  /// Variables that are trusted with all they hold, such as `bos_token`.
  public var names: Set<String>
  /// Words that are trusted where an entry of a listed dictionary is just that word, by variable and entry: the roles of
  /// `messages`, which some templates put inside a token, as in `<|{{ message.role }}|>`.
  public var words: [String: [String: Set<String>]]

  /// Trusts nothing unless told.
  public init(names: Set<String> = [], words: [String: [String: Set<String>]] = [:]) {
    self.names = names
    self.words = words
  }

  /// A copy of a caller's variable.
  func object(_ name: String, _ value: Value) throws -> Object {
    let object = try Object(value, isTrusted: names.contains(name))
    guard let words = words[name], case .list(let list) = object else { return object }
    for case .dictionary(let mapping) in list.items {
      for (entry, known) in words {
        guard let text = mapping[entry]?.text?.string, known.contains(where: { $0.isSameText(as: text) }) else {
          continue
        }
        try mapping.set(.string(Text(entry)), .string(Text(text, isTrusted: true)))
      }
    }
    return object
  }
}
