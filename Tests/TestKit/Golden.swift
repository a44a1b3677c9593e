public import Foundation

/// Numbers and texts that an independent implementation made, kept beside the tests as resources.
///
/// A test target that has any declares `resources: [.copy("Golden")]` and passes its `Bundle.module`.
public enum Golden {
  /// The bytes of a file of the folder `Golden`.
  public static func data(_ name: String, in bundle: Bundle) throws -> Data {
    guard let url = bundle.resourceURL?.appendingPathComponent("Golden").appendingPathComponent(name),
      FileManager.default.fileExists(atPath: url.path)
    else { throw GoldenError.missing(name: name) }
    return try Data(contentsOf: url)
  }

  /// A JSON file of the folder `Golden`.
  public static func json<Value: Decodable>(_: Value.Type, _ name: String, in bundle: Bundle) throws -> Value {
    try JSONDecoder().decode(Value.self, from: data(name, in: bundle))
  }
}

/// Why golden values could not be had.
public enum GoldenError: Error, CustomStringConvertible {
  case missing(name: String)

  public var description: String {
    switch self {
    case .missing(let name): "There is no golden file \"\(name)\" among the test's resources."
    }
  }
}
