import Foundation  // for fflush alone
import PowerInfer

// Chats with a model on the terminal: swift run -c release --package-path Examples/Chat Chat MODEL.gguf
let path = CommandLine.arguments.dropFirst().first ?? "model.gguf"
let engine = try Engine(model: LanguageModel(opening: path))
var messages = [Message(.system, "You answer in one or two sentences.")]

print("> ", terminator: "")
while let line = readLine() {
  messages.append(Message(.user, line))
  var request = GenerationRequest(messages: messages)
  request.options.maxTokens = 200
  for try await event in engine.generate(request) {
    switch event {
    case .text(let piece):
      print(piece.text, terminator: "")
      fflush(nil)
    case .finished(let result):
      messages.append(Message(.assistant, result.text))
    case .started, .progress:
      break
    }
  }
  print("\n> ", terminator: "")
}
