import Foundation
#if canImport(FoundationXML)
  import FoundationXML
#endif
import PowerInferTestKit
import Testing

/// `powerinfer run --activity`. The limit on time is for hangs.
@Suite(.timeLimit(.minutes(5))) struct ActivityCommandTests {
  private func run(_ length: Int, _ picture: String) async throws -> Executable.Outcome {
    let files = try ExampleFiles.shared.get()
    return try await Executable.run([
      "run", "-m", files.folder.file("sparse.gguf"), "--temp", "0", "--ignore-eos", "-n", "\(length)", "--activity",
      picture, "hello",
    ])
  }

  @Test func anAnswersNeuronsAreDrawn() async throws {
    let folder = try TemporaryFolder()
    let picture = folder.file("neurons.svg")
    let outcome = try await run(12, picture)
    #expect(outcome.status == 0 && outcome.error.contains("The neurons were drawn in \(picture).\n"))
    let text = String(decoding: try folder.read("neurons.svg"), as: UTF8.self)
    #expect(XMLParser(data: Data(text.utf8)).parse())
    // The first token comes out of the prompt's pass.
    #expect(text.contains(">11 tokens. A neuron fires for ") && text.contains("<title>Layer 1: "))
  }

  @Test func whatCannotBeDrawnIsSaid() async throws {
    let folder = try TemporaryFolder()
    let short = try await run(1, folder.file("short.svg"))
    #expect(short.status != 0 && short.error.contains("There are no neurons to draw (--activity)"))
    #expect(!FileManager.default.fileExists(atPath: folder.file("short.svg")))
    let nowhere = try await run(12, folder.file("missing/neurons.svg"))
    #expect(nowhere.status != 0 && nowhere.output.isEmpty)
  }
}
