import Testing

@testable import PowerInferCommandLine

@Suite struct ModelLocatorTests {
  private func locator(_ files: Set<String>, variable: String? = nil) -> ModelLocator {
    ModelLocator(
      environment: Environment(variable.map { ["POWERINFER_MODEL": $0] } ?? [:]),
      currentFolder: "/home/me/project/deep",
      executableFolder: "/opt/powerinfer/.build/release", fileExists: { files.contains($0) })
  }

  private let name = ModelLocator.embeddedModel

  @Test func theGivenOneWins() throws {
    let files: Set = ["given.gguf", "named.gguf", "/home/me/\(name)"]
    #expect(try locator(files, variable: "named.gguf").locate("given.gguf") == "given.gguf")
    #expect(try locator(files, variable: "named.gguf").locate(nil) == "named.gguf")
    #expect(try locator(files).locate(nil) == "/home/me/\(name)")
  }

  @Test func theNearestFolderWinsAndTheCurrentOneComesFirst() throws {
    #expect(
      try locator(["/home/me/\(name)", "/home/me/project/\(name)"]).locate(nil) == "/home/me/project/\(name)")
    #expect(try locator(["/opt/powerinfer/\(name)", "/\(name)"]).locate(nil) == "/\(name)")
    #expect(try locator(["/opt/powerinfer/\(name)"]).locate(nil) == "/opt/powerinfer/\(name)")
  }

  @Test func noModelIsASentence() {
    func message(_ locator: ModelLocator, _ given: String? = nil) -> String? {
      do {
        return try locator.locate(given)
      } catch {
        return error.description
      }
    }
    #expect(message(locator([]), "x.gguf") == "There is no model file at x.gguf.")
    #expect(
      message(locator([], variable: "y.gguf"))
        == "The environment variable POWERINFER_MODEL names the model file y.gguf, but there is none.")
    #expect(
      message(locator([]))
        == "No model was named with --model or POWERINFER_MODEL, and the embedded one, \(name), is in no folder above "
        + "the current one or above the program.")
  }
}
