/// Flags of llama.cpp and of the original PowerInfer that are not here, and why, or what takes their place: people paste commands.
///
/// `docs/flags.md` has them all, and those that are here; a test makes sure that it has these.
enum ForeignFlags {
  /// The flag that a message of the argument parser does not know; nil where it is about something else.
  static func unknown(in message: String) -> String? {
    guard let match = message.firstMatch(of: #/Unknown option '(-[^']*)'/#) else { return nil }
    return String(match.1)
  }

  /// The flag of `arguments` that a message of the argument parser is about; nil where it is none of these.
  ///
  /// The parser takes -ub for -u and -b, and says that it does not know -u; or -fa for -f with the value a.
  static func cause(of message: String, _ arguments: [String]) -> String? {
    let hyphened = arguments.prefix { $0 != "--" }.filter(isOneHyphened)
    guard let flag = unknown(in: message) else { return hyphened.first }
    if arguments.contains(where: { $0.prefix { $0 != "=" } == flag.prefix { $0 != "=" } }) { return flag }
    return hyphened.first { argument in flag.dropFirst().allSatisfy(argument.contains) } ?? flag
  }

  /// A flag of these that begins with the letter of --help; nil where there is none.
  static func takenForHelp(_ arguments: [String]) -> String? {
    arguments.prefix { $0 != "--" }.first { $0.hasPrefix("-h") && isOneHyphened($0) }
  }

  /// Whether it is one of these flags with one hyphen and several letters.
  static func isOneHyphened(_ argument: String) -> Bool {
    argument.hasPrefix("-") && !argument.hasPrefix("--") && argument.count > 2 && reasons[argument] != nil
  }

  /// The sentence about a flag, with one hyphen or two; nil where nothing is known of it.
  static func sentence(_ flag: String) -> String? {
    let name = flag.prefix { $0 != "=" }
    let reason =
      reasons[String(name)] ?? prefixes.first { name.hasPrefix($0.prefix) }?.reason
    return reason.map { "The option \(name) of llama.cpp or PowerInfer is not here: \($0)." }
  }

  static let reasons: [String: String] = {
    var result: [String: String] = [:]
    for (names, reason) in table {
      for name in names.split(separator: " ") { result[String(name)] = reason }
    }
    return result
  }()

  /// Of whole families of flags.
  static let prefixes: [(prefix: String, reason: String)] = [
    ("--spec-", "there is no draft model"), ("--diffusion-", "models here write from left to right"),
    ("--fim-", "no model is downloaded; --model names a file"), ("--tts-", "models here write text only"),
    ("--webui", "the server's page is its own, and always there"),
    ("--ui", "the server's page is its own, and always there"),
    ("--mcp-", "tools are run by the server's clients"),
  ]

  private static let table: [(names: String, reason: String)] = [
    (
      "--display-prompt --no-display-prompt --verbose-prompt",
      "the prompt is never shown; powerinfer template and tokenize show it"
    ),
    (
      "-cnv --conversation -i --interactive -if --interactive-first -ins --instruct",
      "a chat begins by itself where there is no prompt; --raw goes without one"
    ),
    ("-st --single-turn", "run answers one prompt and ends; without a prompt it is a chat"),
    ("-co --color --log-colors", "colours are used on a terminal, and NO_COLOR turns them off"),
    ("--no-jinja", "every template is read as Jinja"),
    ("--no-context-shift", "it is off unless --context-shift is given"),
    (
      "-no-kvu --no-kv-unified -kvu --kv-unified -cb --cont-batching -nocb --no-cont-batching",
      "sequences always share the cache and the passes"
    ),
    ("-tb --threads-batch", "--threads counts for prompts, too"),
    ("-ub --ubatch-size", "--batch-size is the number of tokens computed at once"),
    ("--mlock", "memory is never locked; --no-mmap reads the model into memory of its own"),
    ("-fa --flash-attn", "there is one way to compute attention, which keeps no matrix of scores"),
    (
      "--numa",
      "threads and weights are spread over all memory nodes unless POWERINFER_NUMA=off; numactl -N takes some of them alone"
    ),
    (
      "-C --cpu-mask -Cr --cpu-range --cpu-strict --prio --poll -Cb --cpu-mask-batch -Crb --cpu-range-batch "
        + "--cpu-strict-batch --prio-batch --poll-batch",
      "threads run where the system puts them; taskset and numactl say where"
    ),
    (
      "--no-host --repack -nr --no-repack",
      "weights are arranged for the processor when they are read; --mmap leaves them as they are"
    ),
    ("--no-warmup --warmup", "nothing is run before the prompt"),
    (
      "--perf --no-perf --show-timings --no-show-timings",
      "what an answer cost is shown after it; --quiet leaves it out"
    ),
    (
      "--prompt-cache --prompt-cache-all --prompt-cache-ro",
      "a read prompt is not kept in a file; serve keeps it in memory"
    ),
    (
      "--in-prefix --in-suffix --in-prefix-bos",
      "the chat template says what stands around a message; --chat-template-file takes another"
    ),
    ("--samplers --sampler-seq --sampling-seq", "the order of the samplers is llama.cpp's and cannot be changed"),
    (
      "--mirostat --mirostat-lr --mirostat-ent --xtc-probability --xtc-threshold --dry-multiplier --dry-base "
        + "--dry-allowed-length --dry-penalty-last-n --dry-sequence-breaker --dynatemp-range --dynatemp-exp --top-nsigma "
        + "--top-n-sigma --adaptive-target --adaptive-decay --tfs -bs --backend-sampling",
      "this sampler is not made yet; there are --temp, --top-k, --top-p, --min-p, --typical and penalties"
    ),
    ("--no-penalize-nl", "penalties take a line break like any other token"),
    (
      "--grammar --grammar-file -j --json-schema -jf --json-schema-file",
      "this belongs to run; requests to serve have fields for it"
    ),
    ("--cfg-negative-prompt --cfg-negative-prompt-file --cfg-scale", "there is no guidance by a second prompt"),
    (
      "--rope-scaling --rope-scale --rope-freq-base --rope-freq-scale --yarn-orig-ctx --yarn-ext-factor --yarn-attn-factor "
        + "--yarn-beta-slow --yarn-beta-fast",
      "the model's file says how positions are scaled; --override-kv sets its keys, as in llama.rope.scaling.factor=float:4"
    ),
    ("-gan --grp-attn-n -gaw --grp-attn-w", "there is no self-extension of the context"),
    ("--memory-f32", "keys and values are kept in F16 or in 8 bits (--cache-type-k, --cache-type-v)"),
    (
      "-kvo --kv-offload -nkvo --no-kv-offload -sm --split-mode -ts --tensor-split -mg --main-gpu -ot --override-tensor "
        + "-cmoe --cpu-moe -ncmoe --n-cpu-moe -ncffn --n-cpu-ffn --op-offload --no-op-offload --rpc -nommq --no-mul-mat-q "
        + "--low-vram",
      "a model runs on one GPU, on the processor or on both; --gpu, --vram-budget and -ngl say which"
    ),
    ("-dev --device", "it is called --gpu here"),
    ("--list-devices", "powerinfer devices lists them"),
    (
      "--lora --lora-scaled --lora-base --control-vector --control-vector-scaled --control-vector-layer-range "
        + "--lora-init-without-apply",
      "adapters are not read; merge one into the model before it is converted"
    ),
    (
      "--mmproj -mm --mmproj-url -mmu --mmproj-auto --no-mmproj --no-mmproj-auto --mmproj-offload --no-mmproj-offload "
        + "-mmdev --mmproj-device --image --audio --video --image-min-tokens --image-max-tokens",
      "models here read text only"
    ),
    (
      "-mu --model-url -hf -hfr --hf-repo -hff --hf-file -hft --hf-token --offline",
      "models are not downloaded; --model names a file"
    ),
    (
      "-md --model-draft --spec-draft-model --draft --draft-n --draft-max --draft-min --draft-n-min --draft-p-min "
        + "-devd --device-draft -ngld --gpu-layers-draft --spec-type -ps --p-split",
      "there is no draft model"
    ),
    ("--swa-full -ctxcp --ctx-checkpoints -cram --cache-ram -dt --defrag-thold", "the cache has no such parts"),
    ("--spm-infill -sp --special", "control tokens are never shown in an answer"),
    ("-mli --multiline-input --simple-io", "a chat takes several lines with \"\"\" or a backslash at a line's end"),
    ("-sysf --system-prompt-file", "--system takes the text: --system \"$(cat FILE)\""),
    ("-bf --binary-file --in-file", "--file reads any text"),
    (
      "-ptc --print-token-count -ld --logdir --log-disable --log-file --log-prefix --no-log-prefix --log-timestamps "
        + "--no-log-timestamps --log-test --log-enable --log-append --log-new -lv --verbosity --log-verbosity -v --verbose "
        + "--log-verbose",
      "there is no log but what a command notes on standard error"
    ),
    ("--check-tensors", "a file's lengths are always checked, its numbers never"),
    ("--random-prompt", "there is none"),
    (
      "--chat-template-kwargs -rea --reasoning --reasoning-budget --reasoning-effort "
        + "--reasoning-budget-message --prefill-assistant --no-prefill-assistant",
      "templates get no further variables here; powerinfer template --set shows what they would do"
    ),
    ("--reasoning-format", "run shows what a model thinks as it writes it; serve has the option"),
    ("-cl --cache-list --completion-bash", "there is none; --generate-completion-script bash prints completions"),
    ("-ns --sequences -np --parallel", "run answers one prompt at a time; serve and bench -npl run several"),
    ("-a --alias --tags", "serve calls a model what its file is called"),
    (
      "--embedding --embeddings --rerank --reranking --embd-normalize --embd-output-format --embd-separator --attention",
      "serve gives embeddings without being asked, as /v1/embeddings; nothing is ranked"
    ),
    (
      "--metrics --slots --no-slots --props --path --api-prefix --cors-methods --cors-headers --cors-credentials "
        + "--no-cors-credentials --reuse-port --threads-http --slot-save-path --media-path --models-preset --models-max "
        + "--models-autoload --no-models-autoload --cache-prompt --no-cache-prompt --cache-reuse --sse-ping-interval "
        + "-sps --slot-prompt-similarity --sleep-idle-seconds",
      "docs/server.md lists what the server can be told; metrics, slots and kept prompts are always there"
    ),
    ("-to", "it is called --timeout here"),
    (
      "--kl-divergence --kl-divergence-base --save-all-logits",
      "powerinfer perplexity has --save-logits and --kl-with"
    ),
    (
      "--hellaswag --hellaswag-tasks --winogrande --winogrande-tasks --multiple-choice --multiple-choice-tasks "
        + "--ppl-stride --ppl-output-type",
      "perplexity measures what a text costs, and no more"
    ),
    ("--reset-gpu-index", "this belongs to commands that run a model; powerinfer place writes a new index"),
  ]
}
