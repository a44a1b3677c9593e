import ArgumentParser
import PowerInferModel
import PowerInferPlatform

/// A chat template in place of the model's.
struct TemplateFlags: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Use this chat template instead of the model's: its text, or a name such as chatml, llama3, mistral-v7, gemma, phi3, vicuna "
        + "or alpaca (powerinfer template --list-templates lists all). (environment: POWERINFER_CHAT_TEMPLATE)",
      valueName: "name|text"))
  var chatTemplate: String?

  @Option(
    help: ArgumentHelp(
      "Read the chat template from a file. (environment: POWERINFER_CHAT_TEMPLATE_FILE)", valueName: "file"),
    completion: .file())
  var chatTemplateFile: String?

  @Flag(help: "Accepted, for llama.cpp's sake: every template is read as Jinja.")
  var jinja = false

  func validate() throws {
    if chatTemplate != nil, chatTemplateFile != nil {
      throw ValidationError("Give either --chat-template or --chat-template-file, not both.")
    }
  }

  var isGiven: Bool { chatTemplate != nil || chatTemplateFile != nil || jinja }

  /// The text of the template; nil for the model's own.
  ///
  /// - Throws: `ChatTemplateError` for a name that there is not, `FileError`, `InputError`, `EnvironmentError`.
  func resolve(_ environment: Environment) throws -> String? {
    if let file = chatTemplateFile { return try InputFile.text(file) }
    if let chatTemplate { return try ChatTemplate.source(named: chatTemplate.withoutSystemBytes) }
    if let file: String = try environment.value(of: "POWERINFER_CHAT_TEMPLATE_FILE") { return try InputFile.text(file) }
    return try (environment.value(of: "POWERINFER_CHAT_TEMPLATE") as String?).map(ChatTemplate.source(named:))
  }
}
