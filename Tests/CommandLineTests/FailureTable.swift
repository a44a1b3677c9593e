/// Everything that can go wrong on the command line, and the sentence for it.
enum FailureTable {
  typealias Failure = EndToEndTests.Failure

  static let all =
    files + models + prompts + templates + tokens + perplexity + surveys + training + comparison + usage
    + variables

  /// Every command on files that are no models.
  private static let files: [Failure] = [
    "run -m F hi", "inspect F", "inspect -m F", "tokenize -m F hi", "template -m F hi", "logits -m F hi",
    "bench -m F -p 1 -n 0 -r 1", "perplexity -m F -f @text.txt", "quantize F @out.gguf q8_0",
    "imatrix -m F -f @text.txt -o @out.gguf", "calibrate -m F -f @text.txt -o @out.gguf",
    "profile -m F -f @text.txt -o @out.gguf", "place -m F --vram-budget 1G",
    "train-predictor -m F -f @text.txt -o @out.gguf",
  ].flatMap { command in
    func on(_ name: String, _ sentence: String) -> Failure {
      Failure(command.replacing("F", with: name), sentence)
    }
    let missing = command.contains("-m") ? "There is no model file at @none.gguf." : "There is no file \"@none.gguf\"."
    return [
      on("@none.gguf", missing),
      on("@empty", "\"@empty\": The file is empty, where a GGUF file was expected."),
      on(
        "@noise.gguf",
        "\"@noise.gguf\": This is not a GGUF file: it starts with the bytes 54 68 69 73, "
          + "where 47 47 55 46 (\"GGUF\") or 50 57 52 49 (\"PWRI\") was expected."),
    ]
  }

  private static let models: [Failure] = [
    Failure("run -m @vocabulary.gguf hi", "Tensor \"token_embd.weight\" is missing from the file."),
    Failure(
      "run -m @mystery.gguf hi",
      "The file holds a model of architecture \"mystery\"; this version runs llama, bamboo, qwen2, falcon, opt."),
    Failure(
      "run -m @opt.gguf -c 127 hi",
      "The context size is 127, expected at most 126: the model has no learned positions past that."),
    Failure("run -m /dev/null hi", "\"/dev/null\" could not be mapped into memory: it is not a regular file."),
    Failure(
      "place @model.gguf --vram-budget 1G --neuron-profile @none", "There is no file \"@none\"."),
    Failure(
      "place @model.gguf --vram-budget 1G -o @no/out", "\"@no/out\" cannot be created: there is no folder \"@no\"."),
    Failure(
      "place @model.gguf --vram-budget 1G -o @model.gguf",
      "The file \"@model.gguf\" is being read; the result needs another name."),
    Failure(
      "quantize @model.gguf @no/out.gguf q8_0", "\"@no/out.gguf\" cannot be created: there is no folder \"@no\"."),
    Failure("quantize @model.gguf /dev/null q8_0", "\"/dev/null\" is a device or a pipe, where a file was expected."),
    Failure("quantize @model.gguf @out.gguf q4_0 --imatrix @none", "There is no file \"@none\"."),
    Failure(
      "quantize @model.gguf @out.gguf q4_0 --imatrix @hello.txt",
      "\"@hello.txt\" is no importance matrix: neither a GGUF file with in_sum2 and counts nor a file of the older format."
    ),
    Failure(
      "quantize @model.gguf @out.gguf q4_0 --compensate @empty",
      "The file \"@empty\" is empty, where a text was expected."),
    Failure(
      "quantize @model.gguf @out.gguf q4_0 --compensate @utf16.txt",
      "The file \"@utf16.txt\" holds text in UTF-16, where UTF-8 was expected."),
    Failure(
      "quantize @mystery.gguf @out.gguf q4_0 --compensate @text.txt",
      "The file holds a model of architecture \"mystery\"; this version runs llama, bamboo, qwen2, falcon, opt."),
    Failure("imatrix @model.gguf -f @empty -o @out", "The file \"@empty\" is empty, where a text was expected."),
    Failure("imatrix @model.gguf -f @none -o @out", "There is no file \"@none\"."),
    Failure(
      "imatrix @model.gguf -f @text.txt -o @model.gguf",
      "The file \"@model.gguf\" is being read; the result needs another name."),
    Failure(
      "imatrix @model.gguf -f @text.txt -o @no/out", "\"@no/out\" cannot be created: there is no folder \"@no\"."),
    Failure(
      "quantize @model.gguf @model.gguf q8_0", "\"@model.gguf\" is the file being read; the result needs another name."),
  ]

  private static let prompts: [Failure] = [
    Failure("run -m @model.gguf", "Standard input is empty, where a prompt of at least one character was expected."),
    Failure("run -m @model.gguf ''", "The prompt is empty: at least one character is needed."),
    Failure("run -m @model.gguf -p ''", "The prompt is empty: at least one character is needed."),
    Failure(
      "run -m @model.gguf -f @empty",
      "The file \"@empty\" is empty, where a prompt of at least one character was expected."
    ),
    Failure("run -m @model.gguf -f @none", "There is no file \"@none\"."),
    Failure("run -m @model.gguf -f /", "\"/\" is a folder, where a file was expected."),
    Failure(
      "run -m @model.gguf -f @utf16.txt", "The file \"@utf16.txt\" holds text in UTF-16, where UTF-8 was expected."),
    Failure(
      "run -m @model.gguf", bytes: [0xFE, 0xFF], "Standard input holds text in UTF-16, where UTF-8 was expected."),
    Failure("logits -m @model.gguf ''", "The prompt is empty: at least one token is needed to go on from."),
    Failure(
      "run -m @model.gguf --raw -c 4 -p hellohellohellohello",
      "The prompt has 4 tokens, but the context holds 4 and the answer needs room too."),
    Failure(
      "logits -m @model.gguf --tokens 1,2,3 -c 2", "3 more tokens after 0 do not fit the context of 2 tokens."),
  ]

  private static let templates: [Failure] = [
    Failure("run -m @bad-template.gguf hi", "Line 1 of the template: expected an expression, found '%}'."),
    Failure("run -m @refusing.gguf hi", "Line 1 of the template: it refuses this conversation: Say please."),
    Failure(
      "run -m @no-template.gguf --system Brief. hi",
      "The model no-template.gguf has no chat template, so it cannot chat; --chat-template names one, and "
        + "--raw completes plain text."),
    Failure("template -m @refusing.gguf hi", "Line 1 of the template: it refuses this conversation: Say please."),
    Failure("template --template-file @none hi", "There is no file \"@none\"."),
    Failure(
      "template --template-file @utf16.txt hi",
      "The file \"@utf16.txt\" holds text in UTF-16, where UTF-8 was expected."),
    Failure("template --chatml --messages @none", "There is no file \"@none\"."),
    Failure(
      "template --chatml --messages @number.json",
      "The file \"@number.json\": Expected a JSON list of messages, found another value."),
    Failure(
      "template --chatml --messages @broken.json",
      "The file \"@broken.json\": the text is not JSON: Unexpected end of file during JSON parse."),
    Failure(
      "template --chatml --tools @number.json hi",
      "The file \"@number.json\": Expected a JSON list of tools, found another value."),
  ]

  private static let tokens: [Failure] = [
    Failure(
      "tokenize -m @model.gguf", bytes: [0xFF, 0xFE], "Standard input holds text in UTF-16, where UTF-8 was expected."),
    Failure("tokenize -m @model.gguf --decode x", "\"x\" is no token id; expected a number from 0 to 279."),
    Failure("tokenize -m @model.gguf --decode 280", "\"280\" is no token id; expected a number from 0 to 279."),
    Failure("tokenize -m @model.gguf -f @none", "There is no file \"@none\"."),
    Failure("logits -m @model.gguf --tokens 280", "Token id 280 is not in the vocabulary, expected 0 to 279."),
  ]

  private static let perplexity: [Failure] = [
    Failure("perplexity -m @model.gguf -f @none", "There is no file \"@none\"."),
    Failure("perplexity -m @model.gguf -f /", "\"/\" is a folder, where a file was expected."),
    Failure("perplexity -m @model.gguf -f @empty", "The file \"@empty\" is empty, where a text was expected."),
    Failure("perplexity -m @model.gguf -f -", input: "\n", "Standard input is empty, where a text was expected."),
    Failure(
      "perplexity -m @model.gguf -f @utf16.txt",
      "The file \"@utf16.txt\" holds text in UTF-16, where UTF-8 was expected."
    ),
    Failure(
      "perplexity -m @model.gguf -f @hello.txt",
      "The text has 2 tokens, but a context of 512 tokens needs a text of at least 1024, two chunks of it."),
    Failure(
      "perplexity -m @model.gguf -f - -c 0 --save-logits @out.logits", input: "hello",
      "The text has 1 token, but a context of 128 tokens needs a text of at least 256, two chunks of it."),
    Failure(
      "perplexity -m @model.gguf -f @text.txt -c 16 --save-logits @no/out.logits",
      "\"@no/out.logits\" cannot be created: there is no folder \"@no\"."),
    Failure(
      "perplexity -m @model.gguf -f @text.txt -c 16 --save-logits @model.gguf",
      "The file \"@model.gguf\" is being read; the result needs another name."),
    Failure("perplexity -m @model.gguf --kl-with @none", "There is no file \"@none\"."),
    Failure(
      "perplexity -m @model.gguf --kl-with @text.txt",
      "\"@text.txt\" is no file of saved logits: it does not start with \"PIREFLOG\"."),
  ]

  /// What the two commands that compare activation sources have in common, and what each has of its own.
  private static let comparison: [Failure] =
    ["bench", "perplexity"].flatMap { command in
      [
        Failure("\(command) -m @sparse.gguf --compare -f @none", "There is no file \"@none\"."),
        Failure(
          "\(command) -m @sparse.gguf --compare -f @empty", "The file \"@empty\" is empty, where a text was expected."),
        Failure(
          "\(command) -m @sparse.gguf --compare -f -", input: "\n",
          "Standard input is empty, where a text was expected."
        ),
        Failure(
          "\(command) -m @sparse.gguf --compare -f @utf16.txt",
          "The file \"@utf16.txt\" holds text in UTF-16, where UTF-8 was expected."),
        Failure(
          "\(command) -m @sparse.gguf --compare -f @hello.txt",
          "The text has 2 tokens, but a context of 512 tokens needs a text of at least 1024, two chunks of it."),
        Failure(
          "\(command) -m @opt.gguf --compare -f @text.txt -c 127",
          "The context size is 127, expected at most 126: the model has no learned positions past that."),
        .usage("\(command) -m @sparse.gguf --compare", "The option --compare needs a text: give one with --file."),
        .usage("\(command) -m @sparse.gguf -f @text.txt --per-layer", "The option --per-layer needs --compare."),
        .usage(
          "\(command) -m @sparse.gguf --compare -f @text.txt --gpu 0",
          "Give either --gpu or --compare, which looks at the neurons of the processor."),
        .usage(
          "\(command) -m @sparse.gguf -f @text.txt --gpu ''",
          "The option --gpu must be auto, none, a number or a part of a GPU's name, but it is empty."),
        .usage(
          "\(command) -m @sparse.gguf --compare -f @text.txt --sparsity gate",
          "Give either --sparsity or --compare, which takes every source in turn."),
        .usage(
          "\(command) -m @sparse.gguf --compare -f @text.txt --chunks 0",
          "The option --chunks must be 1 or more, but it is 0."),
        .usage(
          "\(command) -m @sparse.gguf --compare -f @text.txt -c 2",
          "The option --ctx-size must be 0 or from 3 to 16777216, but it is 2."),
        .usage(
          "\(command) -m @sparse.gguf --compare -f @text.txt -t 513",
          "The option --threads must be from 1 to 512, but it is 513."),
      ]
    } + [
      .usage("bench -m @sparse.gguf -f @text.txt", "The option --file needs --compare."),
      .usage("bench -m @sparse.gguf -c 16", "The option --ctx-size needs --compare."),
      .usage("bench -m @sparse.gguf --chunks 2", "The option --chunks needs --compare."),
      .usage("bench --compare -f @text.txt --membw", "Give only one of --compare, --profile and --membw."),
      .usage("bench --compare -f @text.txt --profile", "Give only one of --compare, --profile and --membw."),
      .usage(
        "bench --compare -f @text.txt -t 1,2",
        "With --compare the option --threads must be one number, but there are 2."),
      .usage(
        "bench --compare -f @text.txt -n 1,2,3",
        "With --compare the option --n-gen must be one number, but there are 3."),
      .usage("bench --compare -f @text.txt -n 0", "With --compare the option --n-gen must be 1 or more."),
      .usage(
        "bench --compare -f @text.txt --per-layer -o csv",
        "The option --per-layer shows tables of their own; print them with --output md or json."),
      .usage(
        "perplexity --compare -f @text.txt --save-logits @base",
        "Give either --compare or saved logits (--save-logits, --kl-with), not both."),
      .usage(
        "perplexity --compare -f @text.txt --kl-with @base",
        "Give either --compare or saved logits (--save-logits, --kl-with), not both."),
      Failure(
        "perplexity -m @model.gguf -f @text.txt -c 16 --sparsity predictor",
        "The predictor source needs a predictor in every layer, but the file has no \"blk.0.fc1.weight\"."),
      Failure(
        "perplexity -m @sparse.gguf -f @text.txt -c 16 --sparsity bits --bits-margin -1",
        "The margin of leading bits is -1.0, expected a finite number, 0 or more."),
      Failure(
        "perplexity -m @sparse.gguf -f @text.txt -c 16 --sparsity bits --bits-margin nan",
        "The margin of leading bits is nan, expected a finite number, 0 or more."),
      Failure(
        "perplexity -m @model.gguf -f @text.txt -c 16 --sparsity bits",
        "The bits source needs neurons that are silent, as ReLU's are, or the thresholds that `powerinfer calibrate` finds, but the "
          + "model's activation is silu and it has none."),
      Failure(
        "bench -m @sparse.gguf --compare -f @text.txt -c 16 --gate-thresholds @none", "There is no file \"@none\"."),
      Failure(
        "perplexity -m @sparse.gguf --compare -f @text.txt -c 16 --gate-thresholds @none",
        "There is no file \"@none\"."),
    ]

  /// What `calibrate` and `profile` have in common, and what each has of its own.
  private static let surveys: [Failure] =
    ["calibrate", "profile"].flatMap { command in
      [
        Failure("\(command) -m @model.gguf -o @out.gguf -f @none", "There is no file \"@none\"."),
        Failure(
          "\(command) -m @model.gguf -o @out.gguf -f @empty", "The file \"@empty\" is empty, where a text was expected."
        ),
        Failure(
          "\(command) -m @model.gguf -o @out.gguf -f @utf16.txt",
          "The file \"@utf16.txt\" holds text in UTF-16, where UTF-8 was expected."),
        Failure(
          "\(command) -m @model.gguf -o @out.gguf -f @hello.txt",
          "The text has 2 tokens, but a context of 512 tokens needs a text of at least 1024, two chunks of it."),
        Failure(
          "\(command) -m @model.gguf -f @text.txt -c 16 -o @no/out",
          "\"@no/out\" cannot be created: there is no folder \"@no\"."),
        Failure(
          "\(command) -m @opt.gguf -f @text.txt -c 127 -o @out",
          "The context size is 127, expected at most 126: the model has no learned positions past that."),
        .usage("\(command) -m @model.gguf", "Missing expected argument '--file <file> ...'"),
        .usage(
          "\(command) -m @model.gguf -f @text.txt -o @out -t 513",
          "The option --threads must be from 1 to 512, but it is 513."),
        .usage(
          "\(command) -m @model.gguf -f @text.txt -o @out -b 0",
          "The option --batch-size must be 1 or more, but it is 0."),
        .usage(
          "\(command) -m @model.gguf -f @text.txt -o @out -c 2",
          "The option --ctx-size must be 0 or from 3 to 16777216, but it is 2."),
        .usage(
          "\(command) -m @model.gguf -f @text.txt -o @out --chunks 0",
          "The option --chunks must be 1 or more, but it is 0."),
        .usage(
          "\(command) -m @model.gguf @model.gguf -f @text.txt -o @out",
          "Give the model once: as an argument or with --model."),
      ]
    }
    + ["1", "-0.1", "nan", "inf"].map {
      .usage(
        "calibrate -m @model.gguf -f @text.txt -o @out --target \($0)",
        "The option --target must be 0 or more and less than 1, but it is \($0 == "1" ? "1.0" : $0).")
    }
    + [("0", "0.0"), ("100%", "1.0"), ("-0.1%", "-0.001"), ("nan", "nan")].map {
      .usage(
        "calibrate -m @model.gguf -f @text.txt -o @out --loss \($0.0)",
        "The option --loss must be above 0 and less than 1, but it is \($0.1).")
    }
    + [
      .usage(
        "calibrate -m @model.gguf -f @text.txt -o @out --loss 1% --target 0.5",
        "Give either --target, for thresholds, or --loss, for margins of leading bits."),
      Failure(
        "calibrate -m @model.gguf -f @text.txt -c 16 -o @out --loss 1%",
        "The margins of leading bits need a model with silent neurons and gates in blocks of codes, but SiLU is never exactly zero."
      ),
      .usage(
        "calibrate -m @model.gguf -f @text.txt -o @out --output-model @out",
        "Give --output and --output-model files of their own."),
      Failure(
        "calibrate -m @model.gguf -f @text.txt --output-model @model.gguf",
        "The file \"@model.gguf\" is being read; the result needs another name."),
      Failure(
        "profile -m @model.gguf -f @text.txt -o @out --gate-thresholds @none", "There is no file \"@none\"."),
      Failure(
        "profile -m @model.gguf -f @text.txt -o @out --gate-thresholds @sparse.gguf",
        "\"@sparse.gguf\": The file holds no gate thresholds: it has no key \"general.type\", where \"gate-thresholds\" "
          + "was expected."),
    ]

  private static let training: [Failure] = [
    Failure("train-predictor -m @sparse.gguf -o @out.gguf -f @none", "There is no file \"@none\"."),
    Failure(
      "train-predictor -m @sparse.gguf -o @out.gguf -f @empty",
      "The file \"@empty\" is empty, where a text was expected."),
    Failure(
      "train-predictor -m @sparse.gguf -o @out.gguf -f @utf16.txt",
      "The file \"@utf16.txt\" holds text in UTF-16, where UTF-8 was expected."),
    Failure(
      "train-predictor -m @sparse.gguf -o @out.gguf -f @hello.txt",
      "The text has 2 tokens, but a context of 512 tokens needs a text of at least 1024, two chunks of it."),
    Failure(
      "train-predictor -m @sparse.gguf -o @out.gguf -f @text.txt -c 16 --chunks 3",
      "The text has 3 chunks, expected at least 4: some to learn from and some to test with."),
    Failure(
      "train-predictor -m @model.gguf -o @out.gguf -f @text.txt -c 16",
      "The model has no \"blk.0.ffn_down_t.weight\"; expected a PowerInfer file, which stores the down projection with a row "
        + "per neuron."),
    Failure(
      "train-predictor -m @sparse.gguf -o @sparse.gguf -f @text.txt -c 16",
      "The file \"@sparse.gguf\" is being read; the result needs another name."),
    Failure(
      "train-predictor -m @sparse.gguf -o @no/out -f @text.txt -c 16",
      "\"@no/out\" cannot be created: there is no folder \"@no\"."),
    Failure(
      "train-predictor -m @sparse.gguf -o @out.gguf -f @text.txt -c 16 --work-dir @no/work",
      "\"@no/work\" cannot be created: there is no folder \"@no\"."),
    Failure(
      "train-predictor -m @sparse.gguf -o @out.gguf -f @text.txt -c 16 --work-dir @hello.txt",
      "\"@hello.txt\" is not empty and holds no work of this command; name another folder with --work-dir."),
    Failure(
      "train-predictor -m @sparse.gguf -o @out.gguf -f @text.txt -c 16 --gate-thresholds @none",
      "There is no file \"@none\"."),
    .usage("train-predictor -m @sparse.gguf -f @text.txt", "Missing expected argument '--output <file>'"),
    .usage(
      "train-predictor -m @sparse.gguf -f @text.txt -o @out --rank 100",
      "The rank is 100, expected a multiple of 32 from 32 to 4096."),
    .usage(
      "train-predictor -m @sparse.gguf -f @text.txt -o @out --max-rank 5000",
      "The rank is 5000, expected a multiple of 32 from 32 to 4096."),
    .usage(
      "train-predictor -m @sparse.gguf -f @text.txt -o @out --type q6_k",
      "Predictors cannot be stored as \"q6_k\"; expected one of q8_0, q5_0, q4_0, f16."),
    .usage(
      "train-predictor -m @sparse.gguf -f @text.txt -o @out --kept nan",
      "The share that is wanted is nan, expected more than 0 and less than 1."),
    .usage(
      "train-predictor -m @sparse.gguf -f @text.txt -o @out --kept 0.9 --recall 0.9",
      "Give either --kept or --recall, not both."),
    .usage(
      "train-predictor -m @sparse.gguf -f @text.txt -o @out --passes 9", "The number of passes is 9, expected 1 to 8."),
    .usage(
      "train-predictor -m @sparse.gguf -f @text.txt -o @out -t 513",
      "The option --threads must be from 1 to 512, but it is 513."),
  ]

  private static let usage: [Failure] = [
    .usage("dance", "Unexpected argument 'dance'"),
    .usage("run --dance", "Unknown option '--dance'"),
    .usage("run a b", "Unexpected argument 'b'"),
    .usage("run -t x hi", "The value 'x' is invalid for '-t <n>'"),
    .usage("run -m @model.gguf -t -2 hi", "The option --threads must be from 1 to 512, but it is -2."),
    .usage("run -m @model.gguf -t 513 hi", "The option --threads must be from 1 to 512, but it is 513."),
    .usage("run -m @model.gguf -c -1 hi", "The option --ctx-size must be from 0 to 16777216, but it is -1."),
    .usage("run -m @model.gguf -b 0 hi", "The option --batch-size must be 1 or more, but it is 0."),
    .usage(
      "run -m @model.gguf --temp nan hi", "The sampling option temperature must be a finite number, but it is nan."),
    .usage("run -m @model.gguf --top-p -1 hi", "The sampling option top-p must be between 0 and 1, but it is -1.0."),
    .usage(
      "run -m @model.gguf -n -3 hi",
      "The option --predict must be -1 (no limit), -2 (until the context is full), 0 or more, but it is -3."),
    .usage(
      "run -m @model.gguf --keep -2 hi", "The option --keep must be -1 (the prompt), 0 or more, but it is -2."),
    .usage(
      "run -m @model.gguf --mirostat 2 hi",
      "The option --mirostat of llama.cpp or PowerInfer is not here: this sampler is not made yet; there are --temp, --top-k, "
        + "--top-p, --min-p, --typical and penalties."),
    .usage(
      "run -m @model.gguf -fa on hi",
      "The option -fa of llama.cpp or PowerInfer is not here: there is one way to compute attention, which keeps no matrix of "
        + "scores."),
    .usage(
      "run -m @model.gguf --override-kv x hi",
      "A metadata override must look like KEY=TYPE:VALUE, but it is \"x\"."),
    .usage(
      "run -m @model.gguf --chat-template chatml --chat-template-file x hi",
      "Give either --chat-template or --chat-template-file, not both."),
    .usage("run -m @model.gguf --stop '' hi", "A stop string must have at least one character, but one is empty."),
    .usage(
      "run -m @model.gguf --logit-bias 280+1 hi", "The logit bias names token 280, but the vocabulary has 280 tokens."),
    .usage(
      "logits -m @model.gguf",
      "Give either tokens (--tokens) or a text (as an argument, with --prompt or with --file)."),
    .usage("logits --tokens 1,x", "\"x\" is no token id; expected numbers such as 504,3575,282."),
    .usage(
      "logits -m @model.gguf --vram-budget 101% hi",
      "The option --vram-budget must look like 6, 6GiB, 80% or auto, but it is \"101%\"."),
    .usage(
      "logits -m @model.gguf -ngl some hi", "The value 'some' is invalid for '-ngl <n|all|auto>'"),
    .usage(
      "run -m @model.gguf -hf a/b hi",
      "The option -hf of llama.cpp or PowerInfer is not here: models are not downloaded; --model names a file."),
    .usage(
      "run -m @model.gguf -fa hi",
      "The option -fa of llama.cpp or PowerInfer is not here: there is one way to compute attention, which keeps no matrix of scores."
    ),
    .usage(
      "run -m @model.gguf -ub 512 hi",
      "The option -ub of llama.cpp or PowerInfer is not here: --batch-size is the number of tokens computed at once."),
    .usage(
      "run -m @model.gguf hi -mg 0",
      "The option -mg of llama.cpp or PowerInfer is not here: a model runs on one GPU, on the processor or on both; --gpu, --vram-budget and -ngl say which."
    ),
    .usage(
      "logits -m @model.gguf --reset-gpu-index --disable-gpu-index hi",
      "Give either --reset-gpu-index or --disable-gpu-index, not both."),
    .usage("logits --tokens 1 --top -1", "The option --top must be 0 or more, but it is -1."),
    .usage("bench -m @model.gguf -p 2 -n 0 -t 1,0", "The option --threads must be from 1 to 512, but it is 0."),
    .usage("bench -m @model.gguf -b 0", "The option --batch-size must be 1 or more, but it is 0."),
    .usage("bench --bandwidth 0", "The option --bandwidth must be a number above 0, but it is 0.0."),
    .usage(
      "bench --profile -o csv",
      "The option --profile shows tables of their own; print them with --output md or json."),
    .usage("bench --profile --membw", "Give either --profile or --membw, not both."),
    .usage("bench --membw -t 513", "The option --threads must be from 1 to 512, but it is 513."),
    .usage("bench -p 0 -n 0", "There is nothing to measure: --n-prompt and --n-gen are both 0."),
    .usage("perplexity -m @model.gguf", "Give a text with --file, or saved logits with --kl-with."),
    .usage("perplexity @model.gguf -m @model.gguf -f -", "Give the model once: as an argument or with --model."),
    .usage(
      "perplexity -f @text.txt --save-logits @a --kl-with @b", "Give either --save-logits or --kl-with, not both."),
    .usage("perplexity -f @text.txt --chunks 0", "The option --chunks must be 1 or more, but it is 0."),
    .usage(
      "perplexity -f @text.txt -c 2", "The option --ctx-size must be 0 or from 3 to 16777216, but it is 2."),
    .usage("perplexity -f @text.txt -t 513", "The option --threads must be from 1 to 512, but it is 513."),
    .usage("perplexity -f @text.txt -b 0", "The option --batch-size must be 1 or more, but it is 0."),
    .usage("inspect @model.gguf -m @model.gguf", "Give the file once: as an argument or with --model."),
    .usage("place @model.gguf", "Missing expected argument '--vram-budget <size>'"),
    .usage("place @model.gguf -m @model.gguf --vram-budget 1G", "Give the model once: as an argument or with --model."),
    .usage(
      "place @model.gguf --vram-budget much",
      "The option --vram-budget must look like 6, 6GiB, 80% or auto, but it is \"much\"."),
    .usage(
      "place @model.gguf --vram-budget 1G --scratch -1",
      "The option --scratch must look like 8GiB, 500M or a number of bytes, but it is \"-1\"."),
    .usage(
      "place @model.gguf --vram-budget 1G --gpu-bandwidth 0",
      "The option --gpu-bandwidth must be a number above 0, but it is 0.0."),
    .usage(
      "place @model.gguf --vram-budget 1G --cpu-bandwidth -1",
      "The option --cpu-bandwidth must be a number above 0, but it is -1.0."),
    .usage(
      "place @model.gguf --vram-budget 1G --turn-cost nan",
      "The option --turn-cost must be a number of 0 or more, but it is nan."),
    .usage(
      "place @model.gguf --vram-budget 1G -c -1", "The option --ctx-size must be from 0 to 16777216, but it is -1."),
    .usage(
      "place @model.gguf --vram-budget 1G -b 0", "The option --batch-size must be from 1 to 4096, but it is 0."),
    .usage("template", "Give a message, or a conversation with --messages."),
    .usage("template --set x hi", "Expected --set key=value, found \"x\"."),
    .usage("quantize @model.gguf @out.gguf q8_0 -t 513", "The option --threads must be from 1 to 512, but it is 513."),
    .usage(
      "quantize @model.gguf @out.gguf q9",
      "There is no type \"q9\" to write; expected one of f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, "
        + "q5_k, q6_k, q4_k_s, q4_k_m, q5_k_s, q5_k_m."),
    .usage(
      "quantize @model.gguf @out.gguf q4_0 --imatrix a --compensate b",
      "Give either --imatrix or --compensate, not both."),
    .usage(
      "quantize @model.gguf @out.gguf q4_0 --compensate @text.txt --chunks 0",
      "The option --chunks must be 1 or more, but it is 0."),
    .usage(
      "imatrix @model.gguf -f @text.txt -c 2", "The option --ctx-size must be 0 or from 3 to 16777216, but it is 2."),
    .usage(
      "imatrix @model.gguf -m @model.gguf -f @text.txt", "Give the model once: as an argument or with --model."),
  ]

  private static let variables: [Failure] = [
    .usage(
      "run -m @model.gguf hi", variables: ["POWERINFER_THREADS": "abc"],
      "The environment variable POWERINFER_THREADS must be a whole number, but it is \"abc\"."),
    .usage(
      "quantize @model.gguf @out.gguf q8_0", variables: ["POWERINFER_THREADS": "abc"],
      "The environment variable POWERINFER_THREADS must be a whole number, but it is \"abc\"."),
    .usage(
      "run -m @model.gguf hi", variables: ["POWERINFER_TEMP": "hot"],
      "The environment variable POWERINFER_TEMP must be a number, but it is \"hot\"."),
  ]
}
