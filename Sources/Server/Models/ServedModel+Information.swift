import PowerInfer
import PowerInferGGUF

extension ServedModel {
  /// The metadata of the model's file, without its lists.
  var information: [String: AnyValue] {
    var values: [String: AnyValue] = [:]
    for (key, value) in engine.model.file.metadata {
      values[key] =
        switch value {
        case .bool(let flag): .boolean(flag)
        case .string(let text): .text(text)
        case .array: .null
        default: value.integer.map { .integer($0) } ?? value.double.flatMap { $0.isFinite ? .number($0) : nil } ?? .null
        }
    }
    values["general.parameter_count"] = .integer(engine.model.parameterCount)
    return values
  }
}
