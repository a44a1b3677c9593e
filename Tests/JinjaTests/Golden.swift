import Foundation
import OrderedCollections
import PowerInferJinja

/// The golden renderings beside these tests, made by Python's jinja2 with Scripts/golden_jinja.py.
enum Golden {
  /// What jinja2 made of a template.
  enum Outcome: Equatable {
    case text(String)
    /// `raise_exception` with this message.
    case raised(String)
    /// An error of any other kind.
    case fails
  }

  /// The moment that the reference renderings show: 2025-03-09 14:05:07.
  static let clock = Clock.fixed(Date(timeIntervalSince1970: 1_741_529_107))

  static func read(_ name: String) throws -> String {
    let folder = Bundle.module.bundleURL.appendingPathComponent("Golden")
    return try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
  }

  static func outcome(_ entries: OrderedDictionary<String, Value>) -> Outcome {
    if let text = entries["text"]?.text { return .text(text) }
    if let message = entries["raised"]?.text { return .raised(message) }
    return .fails
  }

  static func render(
    _ source: String, _ context: OrderedDictionary<String, Value>, dialect: Template.Dialect = .strict,
    limits: Limits = .standard
  ) -> (outcome: Outcome, error: JinjaError?) {
    do {
      return (.text(try Template(source, dialect: dialect).render(context, clock: clock, limits: limits)), nil)
    } catch let error as JinjaError {
      return (error.kind == .raised ? .raised(error.message) : .fails, error)
    } catch {
      return (.fails, nil)
    }
  }
}
