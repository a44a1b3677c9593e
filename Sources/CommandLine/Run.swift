import ArgumentParser
import PowerInfer
import PowerInferPlatform
import PowerInferToolkit

/// `powerinfer run`: one answer, or a chat.
struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Answer a prompt, or chat.",
    discussion: """
      With a prompt, the answer comes on standard output and what it cost on standard error. Without one, the prompt is \
      read from standard input if that is a pipe or a file; on a terminal a chat begins (/help lists its commands). \
      Ctrl-C stops an answer, a second one ends the program.

      Examples:
        powerinfer run "What is the capital of France?"
        powerinfer run -m model.gguf --temp 0 -n 100 "Write a haiku about rain."
        powerinfer run --system "Answer in French." "Good morning!"
        git diff | powerinfer run -m model.gguf --quiet
        powerinfer run --raw --stop . "The capital of France is"
        powerinfer run -m base.gguf --chat-template chatml "Hello!"
        powerinfer run --json --seed 7 "Name a colour." | jq -r .text
        powerinfer run --grammar 'root ::= "yes" | "no"' "Is the sky blue?"
        powerinfer run --json-schema person.json "Invent a person."
        powerinfer run --activity neurons.svg "Why is the sky blue?"
        powerinfer run                               (on a terminal: a chat)
      """)

  @OptionGroup(title: "Prompt") var promptOptions: PromptOptions

  @Option(
    name: [.long, .customLong("system-prompt"), .customLong("sys", withSingleDash: true)], parsing: .unconditional,
    help: ArgumentHelp("Tell the model how to behave. (environment: POWERINFER_SYSTEM)", valueName: "text"))
  var system: String?

  @Flag(
    name: [
      .long, .customLong("no-template"), .customLong("no-conversation"), .customLong("no-cnv", withSingleDash: true),
    ],
    help: "Go on from the prompt as it is, without the chat template; control tokens spelt in it count.")
  var raw = false

  @Flag(
    inversion: .prefixedNo,
    help: """
      Read control tokens spelt anywhere in the prompt, such as <|im_end|>, as such. (default: only those of the chat \
      template; all in a prompt that goes without one)
      """)
  var parseSpecial: Bool?

  @OptionGroup(title: "Prompt") var templateFlags: TemplateFlags

  @OptionGroup(title: "Model") var modelOptions: ModelOptions
  @OptionGroup(title: "Length") var generationFlags: GenerationFlags
  @OptionGroup(title: "Sampling") var samplingFlags: SamplingFlags
  @OptionGroup(title: "Form of the answer") var grammarFlags: GrammarFlags

  @Flag(help: "Print one JSON object with the answer and what it cost.")
  var json = false

  @Flag(help: "Print a JSON object per line: one for every piece of the answer as it comes, then what --json prints.")
  var jsonLines = false

  @Flag(name: [.customShort("q"), .long], help: "Print the answer and errors, nothing else.")
  var quiet = false

  @Flag(
    help: """
      Show the time per stage of a pass on standard error, after the answer or the chat. Where a GPU and the processor share the \
      model, also who computed and who waited, and a drawing of the last token.
      """)
  var profile = false

  @Option(
    help: ArgumentHelp(
      "Draw how often the neurons of each layer fired for the answer, as SVG. Counting takes some time.",
      valueName: "file"),
    completion: .file(extensions: ["svg"]))
  var activity: String?

  func validate() throws {
    if json, jsonLines { throw ValidationError("Give either --json or --json-lines, not both.") }
    if raw, system != nil {
      throw ValidationError("A system prompt (--system) needs the chat template, but --raw goes without.")
    }
  }

  func run() throws {
    let environment = Environment()
    let sampling = try samplingFlags.resolve(environment)
    let generation = try generationFlags.resolve(environment, ignoreEnd: samplingFlags.resolveIgnoreEos(environment))
    let system = try environment.value(system, or: "SYSTEM").map(generationFlags.text)
    var model = try modelOptions.resolve(environment)
    model.isProfiled = profile
    model.parsesSpecial = parseSpecial ?? false
    model.chatTemplate = try templateFlags.resolve(environment)
    let grammar = try grammarFlags.resolve()
    let text = try readPrompt()
    if text == nil, let option = raw ? "raw" : json ? "json" : jsonLines ? "json-lines" : nil {
      throw OptionError.needsPrompt(option: option)
    }

    // Before minutes go into an answer.
    let map = try activity.map { try AtomicFile($0) }

    let loaded = try LoadedModel(model)
    loaded.engine.recordsActivity = map != nil
    // Also after an answer that was cancelled.
    defer {
      StandardOutput.note(ProfileReport.text(loaded.engine.profileReports))
      if profile {
        StandardOutput.note(loaded.engine.sparsityReport.markdown)
        HybridText.note(loaded.engine)
      }
    }
    let cancellation = CancellationFlag()
    let interrupts = Interrupts(cancelling: cancellation)
    try withExtendedLifetime(interrupts) {
      let generator = Generator(
        evaluator: loaded.sequence, vocabulary: loaded.vocabulary(continuing: raw || !loaded.hasChatTemplate),
        sampler: try Sampler(sampling))
      generator.constraint = try grammar.map {
        // What a model thinks before it answers is free.
        let isChat = !raw && loaded.hasChatTemplate
        return try loaded.engine.constraint(
          to: $0, beginsText: isChat, openReasoning: isChat ? loaded.openReasoning : nil)
      }
      if let text {
        try OneAnswer(
          loaded: loaded, generator: generator, options: generation, cancellation: cancellation,
          output: jsonLines ? .jsonLines : json ? .json : .text, isQuiet: quiet,
          readsControlTokens: parseSpecial ?? true
        ).answer(text, system: raw ? nil : system, isRaw: raw)
      } else {
        try chat(loaded, generator, generation, cancellation, system: system, environment)
      }
    }
    if let map { try draw(loaded, into: map) }
  }

  private func draw(_ loaded: LoadedModel, into file: AtomicFile) throws {
    guard let (counts, tokens) = loaded.engine.activityCounts else { throw ActivityMapError.nothingCounted }
    try file.write(ActivityPlot(counts: counts, tokens: tokens, title: loaded.name).svg)
    try file.commit()
    if !quiet { StandardOutput.note("The neurons were drawn in \(file.path).\n") }
  }

  /// The prompt; nil for a chat.
  private func readPrompt() throws -> String? {
    let given = promptOptions.given.map(generationFlags.text)
    let file = promptOptions.file ?? InputFile.standardInput
    if given == nil, promptOptions.file == nil, Terminal.isTerminal(.input) { return nil }
    var text = try given ?? InputFile.text(file)
    // The line break at a file's end is no part of what somebody wants to say.
    if given == nil, text.last == "\n" || text.last == "\r\n" { text.removeLast() }
    if text.isEmpty { throw InputError.empty(given == nil ? file : nil) }
    return text
  }

  private func chat(
    _ loaded: LoadedModel, _ generator: Generator, _ options: GenerationOptions, _ cancellation: CancellationFlag,
    system: String?, _ environment: Environment
  ) throws {
    guard loaded.hasChatTemplate else { throw LoadedModelError.noChatTemplate(loaded.name) }
    let isTerminal = Terminal.isTerminal(.output)
    let style = Style(isTerminal: isTerminal, environment: environment)
    if !quiet {
      StandardOutput.note(style.dim("\(loaded.name), \(loaded.summary). /help lists what you can do.") + "\n")
    }
    let lines = LineSource(prompt: "> ", style: style, environment: environment)
    try ChatLoop(
      conversation: Conversation(generator: generator, systemPrompt: system) { try loaded.tokens(of: $0) },
      options: options, cancellation: cancellation, style: style, isQuiet: quiet, readLine: lines.next,
      write: StandardOutput.write, makeProgressBar: { .reading }
    ).run()
  }
}

/// Why a map of the neurons cannot be drawn.
enum ActivityMapError: Error, Equatable, CustomStringConvertible {
  case nothingCounted

  var description: String {
    "There are no neurons to draw (--activity): the answer needs two tokens or more, and a model on the processor."
  }
}
