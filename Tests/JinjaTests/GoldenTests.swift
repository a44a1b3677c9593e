import Foundation
import OrderedCollections
import PowerInferJinja
import Testing

@Suite struct GoldenTests {
  /// About 800 expressions and templates: every filter, test, method, operator and whitespace rule.
  @Test func rendersAsJinja2Does() throws {
    let golden = try #require(try Value(json: try Golden.read("cases.json")).entries)
    let values = try #require(golden["values"]?.entries)
    let cases = try #require(golden["cases"]?.elements)
    #expect(cases.count > 700)
    for element in cases {
      let entry = try #require(element.entries)
      let source = try #require(entry["template"]?.text)
      let found = Golden.render(source, values)
      let wanted = Golden.outcome(entry)
      #expect(found.outcome == wanted, "\(source): \(found.error?.description ?? "")")
      if wanted == .fails {
        let error = try #require(found.error)
        #expect(error.line != nil && error.message.hasSuffix("."), "\(error)")
      }
    }
  }

  /// Templates in the idioms of published families, with tools, calls, thoughts and refusals.
  @Test func rendersFamiliesAsJinja2Does() throws {
    let golden = try #require(try Value(json: try Golden.read("families.json")).entries)
    var contexts: [String: OrderedDictionary<String, Value>] = [:]
    for element in try #require(golden["conversations"]?.elements) {
      let entry = try #require(element.entries)
      contexts[try #require(entry["name"]?.text)] = try #require(entry["context"]?.entries)
    }
    let renderings = try #require(golden["renderings"]?.elements)
    #expect(renderings.count >= 15 * 7)
    for element in renderings {
      let entry = try #require(element.entries)
      let family = try #require(entry["family"]?.text)
      let name = try #require(entry["conversation"]?.text)
      let found = Golden.render(try Golden.read("families/\(family)"), try #require(contexts[name]))
      #expect(found.outcome == Golden.outcome(entry), "\(family), \(name): \(found.error?.description ?? "")")
    }
  }
}
