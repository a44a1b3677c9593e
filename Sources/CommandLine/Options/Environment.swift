import ArgumentParser
import PowerInferKernels
import PowerInferPlatform

/// The `POWERINFER_*` variables that stand behind the flags: a flag wins over its variable, a variable over the default.
struct Environment {
  var variables: [String: String]

  init(_ variables: [String: String] = ProcessInput.environment) {
    self.variables = variables
  }

  /// The variable's value; an empty one counts as none.
  subscript(name: String) -> String? {
    variables[name].flatMap { $0.isEmpty ? nil : $0 }
  }

  /// The flag, or else the variable `POWERINFER_<name>`.
  ///
  /// - Throws: `EnvironmentError` where the variable does not hold a value of this kind.
  func value<Value: SettingValue>(_ flag: Value?, or name: String) throws(EnvironmentError) -> Value? {
    if let flag { return flag }
    return try value(of: "POWERINFER_" + name)
  }

  /// The value of a variable; nil where it is not set.
  ///
  /// - Throws: `EnvironmentError` where the variable does not hold a value of this kind.
  func value<Value: SettingValue>(of variable: String) throws(EnvironmentError) -> Value? {
    guard let text = self[variable] else { return nil }
    guard let value = Value(argument: text) else {
      throw EnvironmentError(variable: variable, expected: Value.expectation, found: text)
    }
    return value
  }

  /// Checks the variables that the library reads by itself: `POWERINFER_ISA` and `POWERINFER_NUMA`.
  ///
  /// - Throws: `EnvironmentError`.
  func checkMachineVariables() throws(EnvironmentError) {
    let _: NodeChoice? = try value(of: "POWERINFER_NUMA")
    guard let name = self["POWERINFER_ISA"] else { return }
    do {
      _ = try InstructionSet.requested(name)
    } catch {
      let names = InstructionSet.supported.map(\.rawValue).joined(separator: ", ")
      throw EnvironmentError(
        variable: "POWERINFER_ISA", expected: "an instruction set of this processor (\(names))", found: name)
    }
  }
}

/// What `POWERINFER_NUMA` says: whether threads and weights are spread over the machine's memory nodes (`MemoryNodes`).
private enum NodeChoice: String, SettingValue {
  static let expectation = "off or distribute"
  case off, distribute
}

/// A value that a flag or a variable may hold, and what to call it in a sentence.
protocol SettingValue: ExpressibleByArgument {
  static var expectation: String { get }
}

extension Int: SettingValue { static var expectation: String { "a whole number" } }
extension Int64: SettingValue { static var expectation: String { "a whole number" } }
extension Float: SettingValue { static var expectation: String { "a number" } }
extension String: SettingValue { static var expectation: String { "text" } }
extension Bool: SettingValue { static var expectation: String { "true or false" } }

/// A variable that does not hold what it should.
struct EnvironmentError: Error, Equatable, CustomStringConvertible {
  var variable: String
  var expected: String
  var found: String

  var description: String {
    "The environment variable \(variable) must be \(expected), but it is \"\(found)\"."
  }
}
