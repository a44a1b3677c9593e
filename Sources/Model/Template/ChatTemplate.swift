public import OrderedCollections
public import PowerInferGGUF
public import PowerInferJinja

/// Turns a conversation into the prompt that a model was trained on, with the model's own template.
public struct ChatTemplate: Sendable {
  /// The template's text.
  public let source: String
  /// The text of the token that begins a sequence, which templates print as `bos_token`.
  public let bosToken: String
  /// The text of the token that ends a turn or a sequence: `eos_token`.
  public let eosToken: String
  private let template: Template

  /// Roles that programs give to messages. Templates may make tokens of them, as in `<|{{ message.role }}|>`; any other
  /// role is just a text.
  public static let knownRoles: Set<String> = [
    "system", "developer", "user", "assistant", "model", "tool", "function", "ipython", "observation",
  ]

  /// - Parameters:
  ///   - source: the template itself.
  ///   - bosToken: what `bos_token` prints.
  ///   - eosToken: what `eos_token` prints.
  ///   - dialect: published templates may need the lenient one; see `Template.Dialect`.
  /// - Throws: `JinjaError` when `source` is not a template.
  public init(
    source: String, bosToken: String = "", eosToken: String = "", dialect: Template.Dialect = .lenient
  ) throws {
    self.source = source
    self.bosToken = bosToken
    self.eosToken = eosToken
    template = try Template(source, dialect: dialect)
  }

  /// The template that a model's file carries: `tokenizer.chat_template`, or `tokenizer.chat_template.VARIANT` where
  /// a variant such as `tool_use` is asked for and there is one. Blank ones count as none.
  ///
  /// - Throws: `ChatTemplateError.missing` when the file has none.
  public init(
    metadata: Metadata, variant: String? = nil, dialect: Template.Dialect = .lenient
  ) throws {
    func text(_ key: String) throws -> String? {
      try metadata.string(key).flatMap { $0.allSatisfy(\.isWhitespace) ? nil : $0 }
    }
    let named = try variant.flatMap { try text("tokenizer.chat_template." + $0) }
    guard let source = try named ?? text("tokenizer.chat_template") else { throw ChatTemplateError.missing }
    try self.init(
      source: source, bosToken: try ChatTemplate.token("bos", in: metadata) ?? "",
      eosToken: try ChatTemplate.token("eos", in: metadata) ?? "", dialect: dialect)
  }

  /// The text of the special token that `tokenizer.ggml.KIND_token_id` names; nil when the file names none, or one that the
  /// vocabulary does not have (``Vocabulary/remarks`` says so).
  public static func token(_ kind: String, in metadata: Metadata) throws -> String? {
    guard let id = try metadata.integer("tokenizer.ggml.\(kind)_token_id"), id >= 0,
      let tokens = try metadata.strings("tokenizer.ggml.tokens"), id < tokens.count
    else { return nil }
    return tokens[id]
  }

  /// What it makes of the parts of a conversation, found out by rendering some.
  public var shape: TemplateShape { TemplateShape(probing: self) }

  /// The prompt of a conversation, as a plain text. To cut it into tokens, take
  /// ``rendered(messages:tools:addGenerationPrompt:extra:clock:limits:)``: a text alone does not say who spelt a control
  /// token in it.
  public func render(
    messages: [ChatMessage], tools: [Value]? = nil, addGenerationPrompt: Bool = true,
    extra: OrderedDictionary<String, Value> = [:], clock: Clock = .system, limits: Limits = .standard
  ) throws -> String {
    try rendered(
      messages: messages, tools: tools, addGenerationPrompt: addGenerationPrompt, extra: extra, clock: clock,
      limits: limits
    ).text
  }

  /// The prompt of a conversation, and which of its bytes are the template's own.
  ///
  /// Trusted are the literals of the template, `bos_token`, `eos_token`, and a message's role if it is one of
  /// ``knownRoles``; not the rest of the messages, the tools and further variables.
  ///
  /// - Parameters:
  ///   - messages: the conversation, oldest first.
  ///   - tools: descriptions of functions that the model may call, as JSON schemas.
  ///   - addGenerationPrompt: whether the prompt ends with the opening of the assistant's turn.
  ///   - extra: further variables, such as `enable_thinking`.
  ///   - clock: what `strftime_now` reads.
  ///   - limits: how much work and text the template may make.
  /// - Throws: `JinjaError`; of kind `.raised`, with the template's own message, when the template refuses the
  ///   conversation, for example a system message that the model does not know.
  public func rendered(
    messages: [ChatMessage], tools: [Value]? = nil, addGenerationPrompt: Bool = true,
    extra: OrderedDictionary<String, Value> = [:], clock: Clock = .system, limits: Limits = .standard
  ) throws -> RenderedText {
    var context: OrderedDictionary<String, Value> = [
      "messages": .list(messages.map(\.value)),
      "tools": tools.map { .list($0) } ?? .none,
      "documents": .none,
      "add_generation_prompt": .boolean(addGenerationPrompt),
      "bos_token": .string(bosToken),
      "eos_token": .string(eosToken),
    ]
    var trusted = TrustedVariables(
      names: ["bos_token", "eos_token"], words: ["messages": ["role": Self.knownRoles]])
    for (name, value) in extra {
      context[name] = value
      trusted.names.remove(name)
      trusted.words[name] = nil
    }
    return try template.rendered(context, trusting: trusted, clock: clock, limits: limits)
  }
}

extension ChatTemplate {
  /// The common form that many models understand: each turn between `<|im_start|>` and `<|im_end|>`.
  ///
  /// A stand-in for models without a template, to be chosen knowingly: a model trained on another form answers worse.
  public static let chatML = """
    {% for message in messages %}
    <|im_start|>{{ message.role }}
    {{ message.content }}<|im_end|>
    {% endfor %}
    {% if add_generation_prompt %}
    <|im_start|>assistant
    {% endif %}
    """
}
