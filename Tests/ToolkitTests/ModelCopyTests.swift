import PowerInferGGUF
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import PowerInferToolkit
import Testing

@Suite struct ModelCopyTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test(arguments: [Magic.gguf, .powerInfer]) func weightsStayAndKeysAreAdded(magic: Magic) throws {
    let tiny = TinyModel(magic: magic, weightType: .q4_0)
    let input = try GGUFFile(opening: tiny.write(to: folder.file("in.gguf")))
    let thresholds = try GateThresholds(thresholds: [0.5, 1], target: 0.4, tokens: 3, text: "a")
    var last = (done: 0, total: 0)
    try ModelCopy.write(
      input, to: folder.file("out.gguf"), progress: { last = ($0, $1) }, change: { thresholds.write(to: &$0) })
    #expect(last.done == last.total && last.total == input.tensors.reduce(0) { $0 + $1.byteCount })
    let output = try GGUFFile(opening: folder.file("out.gguf"))
    #expect(output.magic == magic && output.tensors.map(\.layout) == input.tensors.map(\.layout))
    for (before, after) in zip(input.tensors, output.tensors) { #expect(before.bytes.elementsEqual(after.bytes)) }
    #expect(output.metadata.keys.starts(with: input.metadata.keys))
    let model = try LanguageModel(file: output)
    #expect(try GateThresholds(in: model) == thresholds)
    #expect(try ModelSignature(model) == ModelSignature(LanguageModel(file: input)))
    #expect(try folder.names() == ["in.gguf", "out.gguf"])
  }

  @Test func nothingIsLeftWhenCancelled() throws {
    let input = try GGUFFile(opening: TinyModel().write(to: folder.file("in.gguf")))
    #expect(throws: SurveyError.cancelled) {
      try ModelCopy.write(input, to: folder.file("out.gguf"), isCancelled: { true }, change: { _ in })
    }
    #expect(try folder.names() == ["in.gguf"])
  }
}
