/// The variables of one block; names not found here are looked up in the block around it.
final class Scope {
  private var variables: [String: Object] = [:]
  private let parent: Scope?

  init(parent: Scope?) { self.parent = parent }

  func value(_ name: String) -> Object? {
    var scope: Scope? = self
    while let current = scope {
      if let value = current.variables[name] { return value }
      scope = current.parent
    }
    return nil
  }

  func set(_ name: String, _ value: Object) { variables[name] = value }

  /// Lets go of the values, so that macros and namespaces that refer to each other do not outlive the rendering.
  func clear() { variables = [:] }
}
