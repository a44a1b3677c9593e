extension ChatTemplate {
  /// Templates by name, for models whose file carries none: llama.cpp's names, and the prompts that it makes by them, without the token
  /// that begins a text; and `alpaca`.
  public static let builtInNames = [
    "alpaca", "bailing", "bailing-think", "bailing2", "chatglm3", "chatglm4", "chatml", "command-r", "deepseek",
    "deepseek-ocr", "deepseek2", "deepseek3", "exaone-moe", "exaone3", "exaone4", "falcon3", "gemma", "gigachat",
    "glmedge", "gpt-oss", "granite", "granite-4.0", "granite-4.1", "grok-2", "hunyuan-dense", "hunyuan-moe",
    "hunyuan-vl", "kimi-k2", "llama2", "llama2-sys", "llama2-sys-bos", "llama2-sys-strip", "llama3", "llama4", "megrez",
    "minicpm", "mistral-v1", "mistral-v3", "mistral-v3-tekken", "mistral-v7", "mistral-v7-tekken", "monarch",
    "openchat", "orion", "pangu-embedded", "phi3", "phi4", "rwkv-world", "seed_oss", "smolvlm", "solar-open", "vicuna",
    "vicuna-orca", "yandex", "zephyr",
  ]

  /// The template that a user gives: one of the names, or the text of a template.
  ///
  /// - Throws: ``ChatTemplateError/unknownName(_:known:)`` for a text that has neither `{{` nor `{%`, and so is no template.
  public static func source(named given: String) throws(ChatTemplateError) -> String {
    if let known = builtIn(given) { return known }
    guard given.contains("{{") || given.contains("{%") else {
      throw .unknownName(given, known: builtInNames)
    }
    return given
  }

  /// A form that runs `body` for each message, with `role` and `text` set, between a beginning and the opening of an answer.
  private static func each(_ body: String, beginning: String = "", answer: String = "") -> String {
    let opening = answer.isEmpty ? "" : "{% if add_generation_prompt %}\(say(answer)){% endif %}"
    return beginning
      + "{% for message in messages %}{% set role = message['role'] %}{% set text = message['content'] or '' %}"
      + body + "{% endfor %}" + opening
  }

  /// A literal as an expression, so that no white space of it is trimmed.
  private static func say(_ text: String) -> String {
    "{{ '" + text.replacing("\\", with: "\\\\").replacing("'", with: "\\'").replacing("\n", with: "\\n") + "' }}"
  }

  /// Turns of all roles alike: `before`, the role, `between`, the text, `after`.
  private static func turns(
    _ before: String, _ between: String, _ after: String, answer: String, beginning: String = "", trims: Bool = false
  ) -> String {
    each(
      say(before) + "{{ role }}" + say(between) + (trims ? "{{ text | trim }}" : "{{ text }}") + say(after),
      beginning: beginning, answer: answer)
  }

  /// Turns by role: what stands before and after each role's text.
  private static func turns(
    _ roles: KeyValuePairs<String, (String, String)>, answer: String = "", beginning: String = "", trims: Bool = false
  ) -> String {
    let text = trims ? "{{ text | trim }}" : "{{ text }}"
    var body = ""
    for (index, turn) in roles.enumerated() {
      let test = turn.key == "else" ? "{% else %}" : "{% \(index == 0 ? "if" : "elif") role == '\(turn.key)' %}"
      body += test + say(turn.value.0) + text + say(turn.value.1)
    }
    return each(body + "{% endif %}", beginning: beginning, answer: answer)
  }

  /// Mistral's forms of before there were system prompts: `[INST]` opens a turn, an answer closes it.
  private static func mistral(leading: String, trailing: String, trims: Bool = false) -> String {
    each(
      "{% if not turn.open %}\(say(leading + "[INST]" + trailing)){% set turn.open = true %}{% endif %}"
        + "{% if role == 'system' %}{{ text }}\(say("\n\n"))"
        + "{% elif role == 'user' %}{{ text }}\(say(leading + "[/INST]"))"
        + "{% else %}\(say(trailing)){{ text\(trims ? " | trim" : "") }}\(say("</s>")){% set turn.open = false %}{% endif %}",
      beginning: "{% set turn = namespace(open=false) %}")
  }

  private static func llama2(system: (String, String), again: String = "[INST] ", trims: Bool = false) -> String {
    let text = "{{ text\(trims ? " | trim" : "") }}"
    return each(
      "{% if not turn.open %}\(say(again)){% set turn.open = true %}{% endif %}"
        + "{% if role == 'system' %}\(say(system.0))\(text)\(say(system.1))"
        + "{% elif role == 'user' %}\(text)\(say(" [/INST]"))"
        + "{% else %}\(text)\(say("</s>")){% set turn.open = false %}{% endif %}",
      beginning: "{% set turn = namespace(open=true) %}" + say("[INST] "))
  }

  /// System prompts go before the next message that is no answer.
  private static func mergingSystem(_ turns: String, trims: Bool, answer: String = "") -> String {
    let text = trims ? "text | trim" : "text"
    return each(
      "{% if role == 'system' %}{% set system.text = system.text + (\(text)) %}{% else %}" + turns + "{% endif %}",
      beginning: "{% set system = namespace(text='') %}", answer: answer)
  }

  private static let mergedSystem =
    "{% if system.text %}{{ system.text }}" + say("\n\n") + "{% set system.text = '' %}{% endif %}"

  private static let bailingRole = "{{ 'HUMAN' if role == 'user' else role | upper }}"
  private static let granite = turns(
    "<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>\n", answer: "<|start_of_role|>assistant<|end_of_role|>")
  private static let systemMark: (String, String) = ("<<SYS>>\n", "\n<</SYS>>\n\n")

  /// The text of a built-in template; nil where there is none of this name.
  public static func builtIn(_ name: String) -> String? {
    switch name {
    case "alpaca":
      each(
        "{% if role == 'system' %}{{ text }}\(say("\n\n"))"
          + "{% elif role == 'user' %}\(say("### Instruction:\n")){{ text }}\(say("\n\n"))"
          + "{% else %}\(say("### Response:\n")){{ text }}{{ eos_token }}\(say("\n\n")){% endif %}",
        beginning: "{% if not messages or messages[0]['role'] != 'system' %}"
          + say(
            "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
          )
          + "{% endif %}",
        answer: "### Response:\n")
    case "bailing":
      each(
        say("<role>") + bailingRole + say("</role>") + "{{ text }}", answer: "<role>ASSISTANT</role>")
    case "bailing-think":
      each(
        say("<role>") + bailingRole + say("</role>") + "{{ text }}", answer: "<role>ASSISTANT</role><think>")
    case "bailing2":
      each(
        say("<role>") + bailingRole + say("</role>") + "{{ text }}" + say("<|role_end|>"),
        beginning: "{% if not messages or messages[0]['role'] != 'system' %}"
          + say("<role>SYSTEM</role>detailed thinking off<|role_end|>") + "{% endif %}",
        answer: "<role>ASSISTANT</role>")
    case "chatglm3":
      turns("<|", "|>\n ", "", answer: "<|assistant|>", beginning: say("[gMASK]sop"))
    case "chatglm4":
      turns("<|", "|>\n", "", answer: "<|assistant|>\n", beginning: say("[gMASK]<sop>"))
    case "chatml":
      turns("<|im_start|>", "\n", "<|im_end|>\n", answer: "<|im_start|>assistant\n")
    case "command-r":
      turns(
        [
          "system": ("<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>", "<|END_OF_TURN_TOKEN|>"),
          "user": ("<|START_OF_TURN_TOKEN|><|USER_TOKEN|>", "<|END_OF_TURN_TOKEN|>"),
          "assistant": ("<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>", "<|END_OF_TURN_TOKEN|>"),
        ], answer: "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>", trims: true)
    case "deepseek":
      turns(
        [
          "system": ("", ""), "user": ("### Instruction:\n", "\n"), "assistant": ("### Response:\n", "\n<|EOT|>\n"),
        ], answer: "### Response:\n")
    case "deepseek-ocr":
      each("{{ text }}")
    case "deepseek2":
      turns(
        ["system": ("", "\n\n"), "user": ("User: ", "\n\n"), "assistant": ("Assistant: ", "<｜end▁of▁sentence｜>")],
        answer: "Assistant:")
    case "deepseek3":
      turns(
        ["system": ("", "\n\n"), "user": ("<｜User｜>", ""), "assistant": ("<｜Assistant｜>", "<｜end▁of▁sentence｜>")],
        answer: "<｜Assistant｜>")
    case "exaone-moe":
      turns(
        [
          "system": ("<|system|>\n", "<|endofturn|>\n"), "user": ("<|user|>\n", "<|endofturn|>\n"),
          "assistant": ("<|assistant|>\n", "<|endofturn|>\n"), "tool": ("<|tool|>\n", "<|endofturn|>\n"),
        ], answer: "<|assistant|>\n", trims: true)
    case "exaone3":
      turns(
        [
          "system": ("[|system|]", "[|endofturn|]\n"), "user": ("[|user|]", "\n"),
          "assistant": ("[|assistant|]", "[|endofturn|]\n"),
        ], answer: "[|assistant|]", trims: true)
    case "exaone4":
      turns(
        [
          "system": ("[|system|]", "[|endofturn|]\n"), "user": ("[|user|]", "\n"),
          "assistant": ("[|assistant|]", "[|endofturn|]\n"), "tool": ("[|tool|]", "[|endofturn|]\n"),
        ], answer: "[|assistant|]", trims: true)
    case "falcon3":
      turns("<|", "|>\n", "\n", answer: "<|assistant|>\n")
    case "gemma":
      mergingSystem(
        say("<start_of_turn>") + "{{ 'model' if role == 'assistant' else role }}" + say("\n")
          + "{% if role != 'assistant' %}" + mergedSystem + "{% endif %}{{ text | trim }}" + say("<end_of_turn>\n"),
        trims: true, answer: "<start_of_turn>model\n")
    case "gigachat":
      each(
        "{% if role == 'user' %}" + say("user<|role_sep|>") + "{{ text }}"
          + say("<|message_sep|>available functions<|role_sep|>[]<|message_sep|>")
          + "{% elif role == 'assistant' %}" + say("assistant<|role_sep|>") + "{{ text }}" + say("<|message_sep|>")
          + "{% elif role == 'system' and loop.first %}{{ text }}" + say("<|message_sep|>") + "{% endif %}",
        beginning: say("<s>"), answer: "assistant<|role_sep|>")
    case "glmedge":
      turns("<|", "|>\n", "", answer: "<|assistant|>")
    case "gpt-oss":
      each(
        say("<|start|>") + "{{ role }}" + say("<|message|>") + "{{ text }}"
          + "{{ '<|return|>' if role == 'assistant' else '<|end|>' }}", answer: "<|start|>assistant")
    case "granite", "granite-4.0", "granite-4.1":
      granite
    case "grok-2":
      each(
        "{% if role == 'system' %}" + say("System: ") + "{{ text | trim }}" + say("<|separator|>\n\n")
          + "{% elif role == 'user' %}" + say("Human: ") + "{{ text | trim }}" + say("<|separator|>\n\n")
          + "{% elif role == 'assistant' %}" + say("Assistant: ") + "{{ text }}" + say("<|separator|>\n\n")
          + "{% endif %}", answer: "Assistant:")
    case "hunyuan-dense":
      each(
        "{% if role == 'system' and loop.first %}{{ text }}" + say("<｜hy_place▁holder▁no▁3｜>")
          + "{% elif role == 'assistant' %}" + say("<｜hy_Assistant｜>") + "{{ text }}" + say("<｜hy_place▁holder▁no▁2｜>")
          + "{% elif role == 'user' %}" + say("<｜hy_User｜>") + "{{ text }}" + say("<｜hy_Assistant｜>") + "{% endif %}")
    case "hunyuan-moe":
      turns(
        [
          "system": ("<|startoftext|>", "<|extra_4|>"), "assistant": ("", "<|eos|>"),
          "else": ("<|startoftext|>", "<|extra_0|>"),
        ])
    case "hunyuan-vl":
      each(
        "{% if role == 'system' and loop.first %}{{ text }}" + say("<｜hy_place▁holder▁no▁3｜>")
          + "{% elif role == 'user' %}{{ text }}" + say("<｜hy_User｜>")
          + "{% elif role == 'assistant' %}{{ text }}" + say("<｜hy_Assistant｜>") + "{% endif %}",
        beginning: say("<｜hy_begin▁of▁sentence｜>"))
    case "kimi-k2":
      each(
        "{% if role == 'system' %}" + say("<|im_system|>system<|im_middle|>")
          + "{% elif role == 'user' %}" + say("<|im_user|>user<|im_middle|>")
          + "{% elif role == 'assistant' %}" + say("<|im_assistant|>assistant<|im_middle|>")
          + "{% elif role == 'tool' %}" + say("<|im_system|>tool<|im_middle|>")
          + "{% endif %}{{ text }}" + say("<|im_end|>"),
        answer: "<|im_assistant|>assistant<|im_middle|>")
    case "llama2":
      llama2(system: ("", "\n"))
    case "llama2-sys":
      llama2(system: systemMark)
    case "llama2-sys-bos":
      llama2(system: systemMark, again: "<s>[INST] ")
    case "llama2-sys-strip":
      llama2(system: systemMark, trims: true)
    case "llama3":
      turns(
        "<|start_header_id|>", "<|end_header_id|>\n\n", "<|eot_id|>",
        answer: "<|start_header_id|>assistant<|end_header_id|>\n\n", trims: true)
    case "llama4":
      turns(
        "<|header_start|>", "<|header_end|>\n\n", "<|eot|>", answer: "<|header_start|>assistant<|header_end|>\n\n",
        trims: true)
    case "megrez":
      turns(
        "<|role_start|>", "<|role_end|>", "<|turn_end|>", answer: "<|role_start|>assistant<|role_end|>")
    case "minicpm":
      turns(["user": ("<用户>", "<AI>"), "else": ("", "")], trims: true)
    case "mistral-v1":
      mistral(leading: " ", trailing: " ")
    case "mistral-v3":
      mistral(leading: "", trailing: " ", trims: true)
    case "mistral-v3-tekken":
      mistral(leading: "", trailing: "")
    case "mistral-v7":
      turns([
        "system": ("[SYSTEM_PROMPT] ", "[/SYSTEM_PROMPT]"), "user": ("[INST] ", "[/INST]"), "else": (" ", "</s>"),
      ])
    case "mistral-v7-tekken":
      turns([
        "system": ("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"), "user": ("[INST]", "[/INST]"), "else": ("", "</s>"),
      ])
    case "monarch":
      each(
        "{% if not loop.first %}" + say("<s>") + "{% endif %}{{ role }}" + say("\n") + "{{ text }}" + say("</s>\n"),
        answer: "<s>assistant\n")
    case "openchat":
      each(
        "{% if role == 'system' %}{{ text }}" + say("<|end_of_turn|>") + "{% else %}" + say("GPT4 Correct ")
          + "{{ role | capitalize }}" + say(": ") + "{{ text }}" + say("<|end_of_turn|>") + "{% endif %}",
        answer: "GPT4 Correct Assistant:")
    case "orion":
      mergingSystem(
        "{% if role == 'user' %}" + say("Human: ") + mergedSystem + "{{ text }}" + say("\n\nAssistant: </s>")
          + "{% else %}{{ text }}" + say("</s>") + "{% endif %}", trims: false)
    case "pangu-embedded":
      turns(
        [
          "system": ("[unused9]系统：", "[unused10]"), "user": ("[unused9]用户：", "[unused10]"),
          "assistant": ("[unused9]助手：", "[unused10]"), "tool": ("[unused9]工具：", "[unused10]"),
          "function": ("[unused9]方法：", "[unused10]"),
        ], answer: "[unused9]助手：",
        beginning: "{% if messages and messages[0]['role'] != 'system' %}" + say("[unused9]系统：[unused10]")
          + "{% endif %}")
    case "phi3":
      turns("<|", "|>\n", "<|end|>\n", answer: "<|assistant|>\n")
    case "phi4":
      turns("<|im_start|>", "<|im_sep|>", "<|im_end|>", answer: "<|im_start|>assistant<|im_sep|>")
    case "rwkv-world":
      each(
        "{% if role == 'system' %}" + say("System: ") + "{{ text | trim }}" + say("\n\n")
          + "{% elif role == 'user' %}" + say("User: ") + "{{ text | trim }}" + say("\n\n")
          + "{% if loop.last %}" + say("Assistant:") + "{% endif %}"
          + "{% elif role == 'assistant' %}" + say("Assistant: ") + "{{ text | trim }}" + say("\n\n") + "{% endif %}")
    case "seed_oss":
      each(
        say("<seed:bos>") + "{{ role }}" + say("\n") + "{{ text | trim if role == 'assistant' else text }}"
          + say("<seed:eos>"), answer: "<seed:bos>assistant\n")
    case "smolvlm":
      turns(
        [
          "system": ("", "\n\n"), "user": ("User: ", "<end_of_utterance>\n"),
          "else": ("Assistant: ", "<end_of_utterance>\n"),
        ], answer: "Assistant:", beginning: say("<|im_start|>"))
    case "solar-open":
      turns("<|begin|>", "<|content|>", "<|end|>", answer: "<|begin|>assistant")
    case "vicuna":
      turns(
        ["system": ("", "\n\n"), "user": ("USER: ", "\n"), "assistant": ("ASSISTANT: ", "</s>\n")], answer: "ASSISTANT:"
      )
    case "vicuna-orca":
      turns(
        ["system": ("SYSTEM: ", "\n"), "user": ("USER: ", "\n"), "assistant": ("ASSISTANT: ", "</s>\n")],
        answer: "ASSISTANT:")
    case "yandex":
      turns(
        ["user": (" Пользователь: ", "\n\n"), "assistant": (" Ассистент: ", "\n\n")], answer: " Ассистент:[SEP]")
    case "zephyr":
      turns("<|", "|>\n", "<|endoftext|>\n", answer: "<|assistant|>\n")
    default: nil
    }
  }
}
