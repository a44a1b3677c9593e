#!/usr/bin/env python3
"""Makes the golden prompts of the built-in chat templates with llama.cpp's library.

    python3 Scripts/golden_templates.py LIBLLAMA > Tests/ModelTests/Golden/built-in-templates.json

LIBLLAMA is the path of libllama.so. Each name's prompts are those that `llama_chat_apply_template` makes of the conversations.
"""
import ctypes
import json
import sys

CONVERSATIONS = [
    [("user", "Hello")],
    [("system", "Be brief."), ("user", " What is 2 + 2?\n")],
    [("system", " You help. "), ("user", "Hi"), ("assistant", " Hello! "), ("user", "Bye")],
    [("user", "One"), ("assistant", "Two"), ("user", "Three"), ("assistant", "Four")],
]


class Message(ctypes.Structure):
    _fields_ = [("role", ctypes.c_char_p), ("content", ctypes.c_char_p)]


def main():
    library = ctypes.CDLL(sys.argv[1])
    count = library.llama_chat_builtin_templates(None, 0)
    names = (ctypes.c_char_p * count)()
    library.llama_chat_builtin_templates(names, count)

    def render(name, conversation, opens_turn):
        messages = (Message * len(conversation))(*[Message(role.encode(), text.encode()) for role, text in conversation])
        buffer = ctypes.create_string_buffer(1 << 16)
        size = library.llama_chat_apply_template(name, messages, len(conversation), opens_turn, buffer, len(buffer))
        return buffer.raw[:size].decode() if size >= 0 else None

    templates = {
        name.decode(): [
            {"opens": opens, "messages": [{"role": role, "content": text} for role, text in conversation],
             "text": render(name, conversation, opens)}
            for conversation in CONVERSATIONS for opens in (True, False)
        ]
        for name in sorted(names)
    }
    json.dump(templates, sys.stdout, ensure_ascii=True, indent=None, separators=(",", ":"), sort_keys=True)
    print()


if __name__ == "__main__":
    main()
