import ArgumentParser
import Foundation
import OrderedCollections
import PowerInferGGUF
import PowerInferJinja
import PowerInferModel

/// `powerinfer template`: the prompt that a conversation becomes.
struct RenderTemplate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "template",
    abstract: "Show the prompt that a chat template makes of a conversation.",
    discussion: """
      The prompt is the user's message, after those of --messages.

      Examples:
        powerinfer template "What is the capital of France?"
        powerinfer template -m model.gguf --system "Be brief." --messages chat.json --tools tools.json
        powerinfer template --template-file chat.jinja --bos "<s>" --set enable_thinking=false "Hi"
        powerinfer template --chat-template llama3 --system "Be brief." "Hi"
        powerinfer template -m model.gguf --show-source
      """)

  @OptionGroup var choice: ModelChoice

  @Option(
    name: [.long, .customLong("chat-template-file")], help: "Read the template from this file instead of the model.")
  var templateFile: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Use this template instead of the model's: its text, or one of the names that --list-templates prints.",
      valueName: "name|text"))
  var chatTemplate: String?

  @Flag(help: "Print the names of the built-in templates.")
  var listTemplates = false

  @Flag(help: "Use the common form ChatML instead of the model's template.")
  var chatml = false

  @Option(help: "Use the model's template of this name, such as tool_use.")
  var variant: String?

  @Option(help: "Read the conversation from a JSON file: a list of objects with role and content.")
  var messages: String?

  @Option(help: "Read the tools from a JSON file: a list of function descriptions.")
  var tools: String?

  @Option(name: [.customLong("system"), .customLong("system-prompt")], help: "A system message before the others.")
  var system: String?

  /// The user's message, after those of `messages`.
  @OptionGroup var promptOptions: PromptOptions

  @Option(
    help: """
      Render many conversations: a JSON file with a list of objects, each with messages, perhaps tools, and further \
      variables. Prints one line of JSON for each, with its text or its error.
      """)
  var batch: String?

  @Flag(help: "Leave out the opening of the assistant's turn.")
  var noGenerationPrompt = false

  @Option(name: .customLong("set"), help: "Set a variable, as key=value; the value is JSON, or else a text.")
  var variables: [String] = []

  @Option(help: "The text of the token that begins a sequence, instead of the model's.")
  var bos: String?

  @Option(help: "The text of the token that ends a sequence, instead of the model's.")
  var eos: String?

  @Option(help: "The moment that strftime_now shows, such as 2025-03-09T14:05:07Z.")
  var date: String?

  @Flag(help: "Allow only what Hugging Face's environment allows: no changing of lists, no from_json.")
  var strict = false

  @Flag(help: "Print the template itself.")
  var showSource = false

  func validate() throws {
    if [chatml, templateFile != nil, chatTemplate != nil].count(where: { $0 }) > 1 {
      throw ValidationError("Give one of --template-file, --chat-template and --chatml.")
    }
    if !listTemplates, !showSource, batch == nil, messages == nil, !promptOptions.isGiven, system == nil {
      throw ValidationError("Give a message, or a conversation with --messages.")
    }
    _ = try clock()
    _ = try extra()
  }

  func run() throws {
    if listTemplates {
      return try StandardOutput.write(ChatTemplate.builtInNames.joined(separator: "\n") + "\n")
    }
    let template = try loadTemplate()
    guard !showSource else { return try StandardOutput.write(template.source) }
    if let batch { return try renderAll(of: batch, with: template) }
    var conversation: [ChatMessage] = []
    if let system { conversation.append(.system(system)) }
    if let messages {
      conversation += try naming(messages) { try ChatMessage.list(json: $0) }
    }
    if let prompt = try promptOptions.text() { conversation.append(.user(prompt)) }
    let toolList = try tools.map { path in
      try naming(path) { text in
        guard let elements = try Value(json: text).elements else {
          throw ValidationError("Expected a JSON list of tools, found another value.")
        }
        return elements
      }
    }
    // As the model would get it.
    let (messages, remarks) =
      strict
      ? (conversation, []) : template.adapted(conversation, hasTools: toolList != nil, to: template.shape)
    let text = try template.render(
      messages: messages, tools: toolList, addGenerationPrompt: !noGenerationPrompt, extra: try extra(),
      clock: try clock())
    for remark in remarks + template.omissions(of: messages, from: text) { StandardOutput.note("Note: \(remark)\n") }
    try StandardOutput.write(text)
  }

  private struct Outcome: Encodable {
    var text: String?
    var error: String?
  }

  private func renderAll(of path: String, with template: ChatTemplate) throws {
    let requests = try naming(path) { text in
      guard let elements = try Value(json: text).elements else {
        throw ValidationError("Expected a JSON list of conversations, found another value.")
      }
      return elements
    }
    for request in requests {
      var outcome = Outcome()
      do {
        outcome.text = try render(request, with: template)
      } catch {
        outcome.error = String(describing: error)
      }
      try StandardOutput.write(JSON.text(outcome, pretty: false) + "\n")
    }
  }

  private func render(_ request: Value, with template: ChatTemplate) throws -> String {
    guard var variables = request.entries, let list = variables.removeValue(forKey: "messages")?.elements else {
      throw ValidationError("Expected each conversation to be an object with a list of messages.")
    }
    let conversation = try list.map { try ChatMessage($0) }
    let opensTurn = variables.removeValue(forKey: "add_generation_prompt") ?? .boolean(!noGenerationPrompt)
    for (name, value) in try extra() { variables[name] = value }
    return try template.render(
      messages: conversation, tools: variables.removeValue(forKey: "tools")?.elements,
      addGenerationPrompt: opensTurn == .boolean(true), extra: variables, clock: try clock())
  }

  private func loadTemplate() throws -> ChatTemplate {
    let needsModel = choice.model != nil || (templateFile == nil && chatTemplate == nil && !chatml)
    let metadata = needsModel ? try GGUFFile(opening: choice.locate()).metadata : nil
    let dialect: Template.Dialect = strict ? .strict : .lenient
    var source = chatml ? ChatTemplate.chatML : try chatTemplate.map(ChatTemplate.source(named:))
    if let templateFile { source = try InputFile.text(templateFile) }
    let own =
      try source == nil ? metadata.map { try ChatTemplate(metadata: $0, variant: variant, dialect: dialect) } : nil
    return try ChatTemplate(
      source: source ?? own?.source ?? "",
      bosToken: try bos ?? metadata.flatMap { try ChatTemplate.token("bos", in: $0) } ?? "",
      eosToken: try eos ?? metadata.flatMap { try ChatTemplate.token("eos", in: $0) } ?? "",
      dialect: dialect)
  }

  /// A value that is not JSON is taken as a text, so that `--set name=Ada` needs no quotes.
  private func extra() throws -> OrderedDictionary<String, Value> {
    var result: OrderedDictionary<String, Value> = [:]
    for variable in variables {
      guard let equals = variable.firstIndex(of: "="), equals > variable.startIndex else {
        throw ValidationError("Expected --set key=value, found \"\(variable)\".")
      }
      let text = String(variable[variable.index(after: equals)...])
      result[String(variable[..<equals])] = (try? Value(json: text)) ?? .string(text)
    }
    return result
  }

  private func clock() throws -> Clock {
    guard let date else { return .system }
    let full = date.contains("T") ? date : date + "T00:00:00Z"
    guard let moment = ISO8601DateFormatter().date(from: full) else {
      throw ValidationError("Expected --date as 2025-03-09 or 2025-03-09T14:05:07Z, found \"\(date)\".")
    }
    return .fixed(moment)
  }

  /// Reads a file and says its name when its content is wrong.
  private func naming<Result>(_ path: String, _ body: (String) throws -> Result) throws -> Result {
    let text = try InputFile.text(path)
    do {
      return try body(text)
    } catch let error as JinjaError {
      // The file is to blame and not the template.
      throw ContentError(path: path, reason: error.message)
    } catch {
      throw ContentError(path: path, reason: String(describing: error))
    }
  }

  private struct ContentError: Error, CustomStringConvertible {
    let path: String
    let reason: String
    var description: String { "The file \"\(path)\": \(reason)" }
  }
}
