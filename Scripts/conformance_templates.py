#!/usr/bin/env python3
"""Render a folder of chat templates with jinja2 and with `powerinfer template`, and compare.

    Scripts/conformance_templates.py FOLDER .build/debug/powerinfer [--show]

Every `.jinja` file is rendered with several conversations. The texts have to be the same, and where jinja2 fails, ours
has to fail. Prints `N passed, N failed` and the differences; with --show, the texts too.
"""

import argparse
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import tempfile

import jinja_reference

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather of a town.\nIn \"plain\" words.",
        "parameters": {
            "type": "object",
            "properties": {
                "town": {"type": "string", "description": "The town, e.g. Zürich"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                "days": {"type": "integer"},
                "share": {"type": "number", "default": 0.5},
                "tags": {"type": "array", "items": {"type": "string"}},
                "detail": {
                    "type": "object",
                    "properties": {"wind": {"type": "boolean"}, "level": {"type": ["integer", "null"]}},
                    "required": ["wind"],
                },
            },
            "required": ["town"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "now", "description": "The time.", "parameters": {"type": "object", "properties": {}}}}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **extra):
    return {"role": "assistant", "content": text, **extra}


def call(name, arguments, **extra):
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **extra}


SYSTEM = {"role": "system", "content": "You are terse."}
MIXED = "  Grüße, 世界! 🎉\r\n<b>&\"quotes\" 'n' {{ braces }} {% tags %}\n"


def tool_turns(arguments, **extra):
    return [
        user("Weather in Bern and Zürich?"),
        assistant(
            "",
            tool_calls=[
                call("get_weather", arguments, id="call00001"),
                call("now", {} if isinstance(arguments, dict) else "{}", id="call00002"),
            ],
        ),
        {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": "{\"sky\": \"clear\", \"t\": 21.5}"},
        {"role": "tool", "name": "now", "tool_call_id": "call00002", "content": "12:00"},
        assistant("Clear, 21.5 °C.", **extra),
        user("Thanks!"),
    ]


def conversations():
    arguments = {"town": "Zürich", "days": 3, "share": 1.0, "tags": ["a", "b"], "detail": {"wind": True, "level": None}}
    chat = [user("Hi"), assistant("Hello! How can I help?"), user("Count to 3.")]
    yield "plain", {"messages": [user("Hello")]}
    yield "plain, prompted", {"messages": [user("Hello")], "add_generation_prompt": True}
    yield "system", {"messages": [SYSTEM, user("Hello")], "add_generation_prompt": True}
    yield "turns", {"messages": [SYSTEM] + chat, "add_generation_prompt": True}
    yield "turns, closed", {"messages": chat + [assistant("1 2 3")]}
    yield "two users", {"messages": [user("One"), user("Two")], "add_generation_prompt": True}
    yield "empty", {"messages": [user(""), assistant(""), user("")], "add_generation_prompt": True}
    yield "none", {"messages": [user("x"), assistant(None), user("y")], "add_generation_prompt": True}
    yield "unicode", {"messages": [user(MIXED), assistant(MIXED), user(MIXED)], "add_generation_prompt": True}
    yield "parts", {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "text", "text": "this"}]}],
        "add_generation_prompt": True,
    }
    yield "image", {
        "messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is this?"}]}],
        "add_generation_prompt": True,
    }
    yield "no messages", {"messages": [], "add_generation_prompt": True}
    yield "unknown role", {"messages": [{"role": "wizard", "content": "Abracadabra"}]}
    for thinking in (True, False):
        yield f"thinking {thinking}", {
            "messages": chat, "add_generation_prompt": True, "enable_thinking": thinking, "thinking": thinking,
        }
    yield "thought", {
        "messages": [user("Hi"), assistant("<think>\nHm.\n</think>\n\nHello"), user("More")], "add_generation_prompt": True,
    }
    yield "reasoning", {
        "messages": [user("Hi"), assistant("Hello", reasoning_content="Hm.", thinking="Hm."), user("More")],
        "add_generation_prompt": True,
    }
    yield "effort", {"messages": chat, "add_generation_prompt": True, "reasoning_effort": "high"}
    yield "tools", {"messages": [user("Weather?")], "tools": [WEATHER, CLOCK], "add_generation_prompt": True}
    yield "tools, system", {"messages": [SYSTEM, user("Weather?")], "tools": [WEATHER], "add_generation_prompt": True}
    yield "tool turns", {"messages": tool_turns(arguments), "tools": [WEATHER, CLOCK], "add_generation_prompt": True}
    yield "tool turns, text", {
        "messages": tool_turns(json.dumps(arguments)), "tools": [WEATHER, CLOCK], "add_generation_prompt": True,
    }
    yield "tool turns, untold", {"messages": [SYSTEM] + tool_turns(arguments), "add_generation_prompt": True}
    yield "tool result last", {
        "messages": tool_turns(arguments)[:4], "tools": [WEATHER, CLOCK], "add_generation_prompt": True,
    }
    yield "one call", {
        "messages": [
            user("Time?"), assistant(None, tool_calls=[call("now", {}, id="abcdefghi")]),
            {"role": "tool", "tool_call_id": "abcdefghi", "name": "now", "content": "12:00"},
        ],
        "tools": [CLOCK], "add_generation_prompt": True,
    }
    yield "tool reasoning", {
        "messages": tool_turns(arguments, reasoning_content="All fine."), "tools": [WEATHER], "add_generation_prompt": True,
        "enable_thinking": True,
    }
    yield "documents", {
        "messages": [SYSTEM, user("What do they say?")], "add_generation_prompt": True,
        "documents": [{"title": "One", "text": "First."}, {"title": "Two", "text": "Second."}],
    }


def reference(environment, source, values):
    try:
        template = environment.from_string(source)
        return template.render(bos_token="<s>", eos_token="</s>", **values), None
    except Exception as error:  # Whatever Python raises, ours has to raise.
        return None, f"{type(error).__name__}: {error}"


def ours(binary, template, requests, folder):
    """The outcomes of all conversations: pairs of text and error."""
    batch = folder / f"{template.stem}.json"
    batch.write_text(json.dumps(requests, ensure_ascii=False), encoding="utf-8", newline="")
    command = [binary, "template", "--strict", "--template-file", str(template), "--batch", str(batch)]
    command += ["--bos", "<s>", "--eos", "</s>", "--date", jinja_reference.NOW.isoformat() + "Z"]
    result = subprocess.run(command, capture_output=True, timeout=300)
    if result.returncode == 1 and not result.stdout:
        # The template itself is refused.
        return [(None, result.stderr.decode().strip())] * len(requests)
    if result.returncode != 0:
        return [(None, f"exit code {result.returncode}: {result.stderr.decode()}")] * len(requests)
    outcomes = [json.loads(line) for line in result.stdout.decode().splitlines()]
    return [(outcome.get("text"), outcome.get("error")) for outcome in outcomes]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--powerinfer", default=".build/release/powerinfer", dest="binary")
    parser.add_argument("--show", action="store_true", help="print the differing texts")
    parser.add_argument("--errors", action="store_true", help="print both sides' sentences where both fail")
    options = parser.parse_args()
    environment = jinja_reference.environment()
    templates = sorted(options.folder.glob("*.jinja"))
    # What transformers always passes.
    names, requests = zip(
        *(
            (name, {"tools": None, "documents": None, "add_generation_prompt": False, **values})
            for name, values in conversations()
        )
    )
    passed, failed, refused = 0, 0, 0
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = [(path, pool.submit(ours, options.binary, path, requests, pathlib.Path(scratch))) for path in templates]
        for path, job in jobs:
            source = path.read_text(encoding="utf-8")
            for name, values, (found, error) in zip(names, requests, job.result()):
                wanted, python_error = reference(environment, source, values)
                same = wanted == found and (error is None or not error.startswith("exit code"))
                passed += same
                failed += not same
                refused += same and wanted is None
                if options.errors and same and wanted is None:
                    print(f"{path.name}, {name}: jinja2: {python_error}\n    ours: {error}")
                if not same:
                    print(f"DIFFERS {path.name}, {name}: jinja2: {python_error}; ours: {error}")
                    if options.show:
                        print(f"--- jinja2\n{wanted!r}\n--- ours\n{found!r}")
    print(f"{len(templates)} templates, {refused} of the renderings refused by both")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
