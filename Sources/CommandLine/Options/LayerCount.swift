import ArgumentParser

/// How many layers are wholly on the GPU, as llama.cpp takes it: a number, `all`, or `auto`, which is -1 there; less is `all`.
enum LayerCount: ExpressibleByArgument, SettingValue, Equatable {
  case automatic
  case count(Int)

  static let expectation = "a number of layers, all or auto"
  /// More than any model has.
  static let all = LayerCount.count(Int(Int32.max))

  init?(argument: String) {
    switch argument.lowercased() {
    case "auto": self = .automatic
    case "all": self = .all
    default:
      guard let number = Int(argument), number <= Int(Int32.max) else { return nil }
      self = number < -1 ? .all : number == -1 ? .automatic : .count(number)
    }
  }

  /// Nil leaves it to the budget.
  var layers: Int? {
    if case .count(let count) = self { count } else { nil }
  }
}
