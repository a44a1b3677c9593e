import PowerInferGGUF
import PowerInferTestKit

/// Models to run, and files that are none, in one folder.
struct ExampleFiles {
  let folder: TemporaryFolder

  static let shared = Result { try ExampleFiles() }

  init() throws {
    folder = try TemporaryFolder()
    let model = TinyModel()
    try model.write(to: folder.file("model.gguf"))
    try TinyModel(magic: .powerInfer, weightType: .f16).write(to: folder.file("sparse.gguf"))

    for family in ["bamboo", "falcon", "opt"] {
      var model = TinyModel(magic: .powerInfer, weightType: .f16)
      model.architecture = family
      try model.write(to: folder.file(family + ".gguf"))
    }

    var plain = TinyModel()
    plain.vocabulary = .sentencePiece
    try plain.write(to: folder.file("no-template.gguf"))

    for (name, template) in [("bad-template", "{% if %}"), ("refusing", "{{ raise_exception('Say please.') }}")] {
      var other = TinyModel()
      other.extraMetadata.set("tokenizer.chat_template", .string(template))
      try other.write(to: folder.file(name + ".gguf"))
    }
    var stranger = TinyModel()
    stranger.architecture = "mystery"
    try stranger.write(to: folder.file("mystery.gguf"))

    try GGUFWriter(folder.file("vocabulary.gguf"), magic: .gguf, metadata: model.metadata, tensors: []).finish()
    try folder.write("truncated.gguf", Array(try folder.read("model.gguf").prefix(40)))
    try folder.write("cut.gguf", Array(try folder.read("model.gguf").dropLast(1000)))
    try folder.write("empty", "")
    try folder.write("noise.gguf", "This is no model.")
    try folder.write("bytes", [0x61, 0xFF, 0xFE])
    try folder.write("hello.txt", "hello world\n")
    // 300 tokens or so, of words in no order.
    let words = ["hello", "the", "world", "here", "in", "a", "tower"]
    try folder.write("text.txt", (0..<150).map { words[$0 * $0 * 5 % 7] }.joined(separator: " ") + "\n")
    try folder.write("utf16.txt", [0xFF, 0xFE] + "hello".utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] })
    try folder.write("chat.json", #"[{"role":"user","content":"hi"}]"#)
    try folder.write("broken.json", "{")
    try folder.write("number.json", "1")
  }
}
