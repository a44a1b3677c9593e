"""Asks a running server as its users do; see test-server.sh. Usage: test_server.py PORT PROCESS [TESTS]

TESTS are beginnings of names. Those named think_… need a server whose chat template opens the reasoning, and run where they are asked for.
"""

import asyncio
import json
import math
import os
import re
import socket
import struct
import subprocess
import sys
import time
import urllib.request

port, process = int(sys.argv[1]), int(sys.argv[2])
address = f"http://127.0.0.1:{port}"
QUESTION = "What is the capital of France?"
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
passed = 0


def check(condition, what):
    global passed
    if not condition:
        raise SystemExit(f"Failed: {what}")
    passed += 1


def installed(name):
    try:
        return __import__(name)
    except ImportError:
        print(f"Skipped: {name} is not here.")
        return None


def get(path):
    with urllib.request.urlopen(address + path) as reply:
        return reply.read().decode()


def running():
    return sum(slot["is_processing"] for slot in json.loads(get("/slots")))


def fits(arguments):
    """Whether they are a call's of WEATHER."""
    return set(arguments) == {"city", "days"} and isinstance(arguments["city"], str) and arguments["days"] in range(1, 10)


def becomes(count, seconds=20):
    """Waits until so many requests are computed."""
    end = time.time() + seconds
    while running() != count and time.time() < end:
        time.sleep(0.05)
    return running() == count


def idle():
    return becomes(0)


def test_examples():
    text = open("docs/server.md").read()
    count = 0
    for block in re.findall(r"```sh\n(.*?)```", text, re.S):
        # A command goes on in the next line while a quote is open.
        for command in re.findall(r"^curl (?:'[^']*'|[^'\n])*$", block, re.M):
            command = command.replace("localhost:8080", f"localhost:{port}").replace("curl ", "curl --fail-with-body ", 1)
            done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
            check(done.returncode == 0 and done.stdout, f"{command}\n{done.stdout}{done.stderr}")
            count += 1
    check(count >= 25, f"expected at least 25 examples in docs/server.md, found {count}")
    print(f"docs/server.md: {count} examples")


def test_openai():
    openai = installed("openai")
    if not openai:
        return
    client = openai.OpenAI(base_url=address + "/v1", api_key="none", max_retries=0)
    model = client.models.list().data[0].id
    check(client.models.retrieve(model).id == model, "one model")
    messages = [{"role": "user", "content": QUESTION}]
    chat = client.chat.completions.create(model=model, messages=messages, temperature=0, max_tokens=20)
    answer = chat.choices[0].message.content
    check("Paris" in answer and chat.usage.total_tokens == chat.usage.prompt_tokens + chat.usage.completion_tokens, "chat")
    chunks = list(
        client.chat.completions.create(
            model=model, messages=messages, temperature=0, max_tokens=20, stream=True, stream_options={"include_usage": True}
        )
    )
    check("".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == answer, "streamed chat")
    check(chunks[-1].usage.completion_tokens == chat.usage.completion_tokens, "streamed usage")
    several = client.chat.completions.create(model=model, messages=messages, n=3, seed=5, max_completion_tokens=8, temperature=1)
    again = client.chat.completions.create(model=model, messages=messages, n=3, seed=5, max_completion_tokens=8, temperature=1)
    check([c.message.content for c in several.choices] == [c.message.content for c in again.choices], "seeds")
    probed = client.chat.completions.create(model=model, messages=messages, temperature=0, max_tokens=5, logprobs=True, top_logprobs=2)
    for token in probed.choices[0].logprobs.content:
        check(len(token.top_logprobs) == 2 and token.logprob <= 0 and bytes(token.bytes).decode(errors="replace") == token.token, "logprobs")
    stopped = client.chat.completions.create(model=model, messages=messages, temperature=0, max_tokens=20, stop=["Paris"])
    check("Paris" not in stopped.choices[0].message.content and stopped.choices[0].finish_reason == "stop", "stop")
    completion = client.completions.create(model=model, prompt="The capital of France is", max_tokens=5, temperature=0, logprobs=1)
    check("Paris" in completion.choices[0].text and len(completion.choices[0].logprobs.tokens) == 5, "completion")
    response = client.responses.create(model=model, input=QUESTION, max_output_tokens=20, temperature=0)
    check("Paris" in response.output_text, "response")
    with client.responses.stream(model=model, input=QUESTION, max_output_tokens=20, temperature=0) as stream:
        streamed = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        check(streamed == response.output_text == stream.get_final_response().output_text, "streamed response")
    functions = [{"type": "function", "name": "weather", "description": "The weather in a city.", "parameters": WEATHER, "strict": True}]
    asked = dict(model=model, input=[{"role": "user", "content": "How is the weather in Oslo for two days?"}], temperature=0, max_output_tokens=120, tools=functions)
    for choice in ("required", {"type": "function", "name": "weather"}):
        called = client.responses.create(**asked, tool_choice=choice)
        check([item.type for item in called.output] == ["function_call"] and called.status == "completed", f"a call of a response, found {called}")
        item = called.output[0]
        check(item.name == "weather" and item.call_id and fits(json.loads(item.arguments)), f"a call that fits, found {item}")
    with client.responses.stream(**asked, tool_choice="required") as stream:
        events = list(stream)
        final = stream.get_final_response()
    deltas = "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta")
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    check(deltas == item.arguments == final.output[0].arguments and [event.arguments for event in done] == [deltas], f"a streamed call of a response, found {final}")
    back = {"type": "function_call_output", "call_id": item.call_id, "output": "7 degrees, rain"}
    answered = client.responses.create(**{**asked, "input": asked["input"] + [item, back]}, tool_choice="none")
    check(answered.output_text and answered.output[-1].type == "message", f"an answer to a call's result, found {answered}")
    # By itself the client asks for base64.
    vectors = client.embeddings.create(model=model, input=["a cat", "a cat", "the stock market"]).data
    check(vectors[0].embedding == vectors[1].embedding, "equal embeddings")
    check(abs(math.hypot(*vectors[2].embedding) - 1) < 1e-3, "embeddings have the length 1")
    floats = client.embeddings.create(model=model, input="a cat", encoding_format="float").data[0].embedding
    check(max(abs(a - b) for a, b in zip(floats, vectors[0].embedding)) < 1e-6, "embeddings as numbers")
    tools = [{"type": "function", "function": {"name": "weather", "description": "The weather in a city.", "parameters": WEATHER}}]
    ask = dict(model=model, messages=[{"role": "user", "content": "How is the weather in Oslo for two days?"}], temperature=0, max_tokens=120)
    for choice in ("required", {"type": "function", "function": {"name": "weather"}}):
        called = client.chat.completions.create(**ask, tools=tools, tool_choice=choice).choices[0]
        check(called.finish_reason == "tool_calls" and called.message.content is None, f"a call, found {called}")
        call = called.message.tool_calls[0]
        check(call.function.name == "weather" and fits(json.loads(call.function.arguments)), f"a call that fits, found {call}")
    parts = [c.choices[0] for c in client.chat.completions.create(**ask, tools=tools, tool_choice="required", stream=True)]
    streamed = [call for part in parts for call in part.delta.tool_calls or []]
    check("".join(call.function.arguments for call in streamed) == call.function.arguments, "a streamed call")
    check(parts[-1].finish_reason == "tool_calls" and streamed[0].id and streamed[0].index == 0, "a streamed call's end")
    free = client.chat.completions.create(**ask, tools=tools).choices[0].message
    check(free.content or fits(json.loads(free.tool_calls[0].function.arguments)), f"an answer or a call that fits, found {free}")
    history = ask["messages"] + [called.message, {"role": "tool", "tool_call_id": call.id, "content": "7 degrees, rain"}]
    reply = client.chat.completions.create(**{**ask, "messages": history}, tools=tools, tool_choice="none").choices[0]
    check(reply.message.content and not reply.message.tool_calls, "an answer to a call's result")
    schema = {"type": "json_schema", "json_schema": {"name": "weather", "schema": WEATHER}}
    check(fits(json.loads(client.chat.completions.create(**ask, response_format=schema).choices[0].message.content)), "a schema")
    pieces = client.chat.completions.create(**ask, response_format=schema, stream=True)
    check(fits(json.loads("".join(c.choices[0].delta.content or "" for c in pieces))), "a streamed schema")
    thought = {"grammar": 'root ::= "<think>\\nso be it\\n</think>\\n\\nyes"'}
    message = client.chat.completions.create(**ask, extra_body=thought).choices[0].message
    check(message.reasoning_content == "so be it" and message.content == "yes", f"reasoning, found {message}")
    deltas = [c.choices[0].delta for c in client.chat.completions.create(**ask, stream=True, extra_body=thought)]
    check("".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "so be it", "streamed reasoning")
    check("".join(delta.content or "" for delta in deltas) == "yes", "what is streamed after it")
    told = client.chat.completions.create(**ask, extra_body={"chat_template_kwargs": {"enable_thinking": False}}).choices[0].message
    check(told.content, "an answer whose template is told more")
    for kind, arguments in (
        (openai.BadRequestError, dict(messages=[])),
        (openai.BadRequestError, dict(messages=messages, extra_body={"enable_thinking": "no"})),
        (openai.BadRequestError, dict(messages=messages, max_tokens=-1)),
        (openai.BadRequestError, dict(messages=[{"role": "user", "content": "word " * 20000}])),
    ):
        try:
            client.chat.completions.create(model=model, **arguments)
            check(False, f"{kind.__name__} for {str(arguments)[:60]}")
        except kind as error:
            check(error.body["message"].endswith("."), str(error))
    # Whoever leaves in the middle of a stream is not waited for.
    check(idle(), "idle")
    stream = client.chat.completions.create(
        model=model, messages=messages, stream=True, max_tokens=7000, extra_body={"ignore_eos": True}
    )
    next(iter(stream))
    check(becomes(1), "a stream is computed")
    stream.close()
    check(idle(), "a stream that was left is still computed")

    async def many():
        client = openai.AsyncOpenAI(base_url=address + "/v1", api_key="none", max_retries=0)
        replies = await asyncio.gather(
            *(
                client.chat.completions.create(model=model, messages=messages, temperature=0, max_tokens=20)
                for _ in range(24)
            )
        )
        return {reply.choices[0].message.content for reply in replies}

    check(all("Paris" in text for text in asyncio.run(many())), "many at once")
    print(f"openai {openai.__version__}")


def test_anthropic():
    anthropic = installed("anthropic")
    if not anthropic:
        return
    client = anthropic.Anthropic(base_url=address, api_key="none", max_retries=0)
    messages = [{"role": "user", "content": QUESTION}]
    # Some of its versions do not name what the API takes.
    greedy = dict(extra_body={"temperature": 0})
    message = client.messages.create(model="any", max_tokens=20, messages=messages, **greedy)
    check("Paris" in message.content[0].text and message.stop_reason in ("end_turn", "max_tokens"), "message")
    with client.messages.stream(model="any", max_tokens=20, messages=messages, **greedy) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    check(text == message.content[0].text == final.content[0].text, "streamed message")
    check(final.usage.output_tokens == message.usage.output_tokens, "streamed usage")
    stopped = client.messages.create(model="any", max_tokens=20, messages=messages, **greedy, stop_sequences=["Paris"])
    check(stopped.stop_reason == "stop_sequence" and stopped.stop_sequence == "Paris", "stop sequence")
    count = client.messages.count_tokens(model="any", messages=messages).input_tokens
    check(count == message.usage.input_tokens + message.usage.cache_read_input_tokens, "token count")
    begun = client.messages.create(
        model="any", max_tokens=5, messages=messages + [{"role": "assistant", "content": "The capital of France is"}], **greedy
    )
    check("Paris" in begun.content[0].text and "capital" not in begun.content[0].text, "going on with a turn")
    tools = [{"name": "weather", "description": "The weather in a city.", "input_schema": WEATHER}]
    ask = dict(model="any", max_tokens=120, tools=tools, messages=[{"role": "user", "content": "How is the weather in Oslo for two days?"}])
    for choice in ({"type": "any"}, {"type": "tool", "name": "weather"}):
        called = client.messages.create(**ask, tool_choice=choice, **greedy)
        check(called.stop_reason == "tool_use" and [block.type for block in called.content] == ["tool_use"], f"a call, found {called}")
        check(called.content[0].name == "weather" and fits(called.content[0].input), f"a call that fits, found {called}")
    with client.messages.stream(**ask, tool_choice={"type": "any"}, **greedy) as stream:
        pieces = "".join(event.partial_json for event in stream if event.type == "input_json")
        final = stream.get_final_message()
    check(final.content[0].input == called.content[0].input == json.loads(pieces), f"a streamed call, found {final}")
    check(final.stop_reason == "tool_use", "a streamed call's end")
    free = client.messages.create(**ask, **greedy)
    check(all(block.type == "text" or fits(block.input) for block in free.content), f"an answer or a call that fits, found {free}")
    result = {"type": "tool_result", "tool_use_id": called.content[0].id, "content": [{"type": "text", "text": "7 degrees, rain"}]}
    history = ask["messages"] + [{"role": "assistant", "content": called.content}, {"role": "user", "content": [result]}]
    reply = client.messages.create(**{**ask, "messages": history}, tool_choice={"type": "none"}, **greedy)
    check(reply.content[0].type == "text" and reply.content[0].text, "an answer to a call's result")
    try:
        client.messages.create(model="any", max_tokens=5, messages=[])
        check(False, "an error for no messages")
    except anthropic.BadRequestError as error:
        check(error.body["error"]["type"] == "invalid_request_error", str(error))
    print(f"anthropic {anthropic.__version__}")


def test_ollama():
    ollama = installed("ollama")
    if not ollama:
        return
    client = ollama.Client(host=address)
    model = client.list().models[0].model
    check("llama" in client.show(model).details.family, "show")
    messages = [{"role": "user", "content": QUESTION}]
    options = {"temperature": 0, "num_predict": 20}
    reply = client.chat(model=model, messages=messages, options=options)
    check("Paris" in reply.message.content and reply.done and reply.eval_count > 0, "chat")
    pieces = list(client.chat(model=model, messages=messages, options=options, stream=True))
    check("".join(piece.message.content for piece in pieces) == reply.message.content, "streamed chat")
    check(client.generate(model=model, prompt=QUESTION, options=options).response == reply.message.content, "generate")
    raw = client.generate(model=model, prompt="The capital of France is", raw=True, options={"temperature": 0, "num_predict": 5})
    check("Paris" in raw.response, "raw")
    tools = [{"type": "function", "function": {"name": "weather", "description": "The weather in a city.", "parameters": WEATHER}}]
    called = 0
    for seed in range(6):
        ask = dict(
            model=model, messages=[{"role": "user", "content": "How is the weather in Oslo for two days? Call the function."}],
            tools=tools, options={"temperature": 1, "seed": seed, "num_predict": 200},
        )
        whole = client.chat(**ask).message
        pieces = [piece.message for piece in client.chat(**ask, stream=True)]
        calls = [call for piece in pieces for call in piece.tool_calls or []]
        check([call.function for call in calls] == [call.function for call in whole.tool_calls or []], "streamed calls")
        # The client leaves out the ends of ranges.
        named = [(call.function.name, {name: type(value) for name, value in call.function.arguments.items()}) for call in calls]
        check(all(one == ("weather", {"city": str, "days": int}) for one in named), f"calls that fit, found {calls}")
        check(calls or whole.content, "a call or an answer")
        called += len(calls)
    check(called > 0, "a call that nothing forces")
    history = ask["messages"] + [
        {"role": "assistant", "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Oslo", "days": 2}}}]},
        {"role": "tool", "tool_name": "weather", "content": "7 degrees, rain"},
    ]
    check(client.chat(model=model, messages=history, options=options).message.content, "an answer to a call's result")
    vectors = client.embed(model=model, input=["a cat", "a kitten"]).embeddings
    check(len(vectors) == 2 and abs(math.hypot(*vectors[0]) - 1) < 1e-3, "embed")
    check(list(client.embeddings(model=model, prompt="a cat").embedding) == list(vectors[0]), "embeddings")
    check(client.ps().models[0].model == model, "ps")
    try:
        client.chat(model=model, messages=messages, options={"top_p": 5})
        check(False, "an error for a wrong option")
    except ollama.ResponseError as error:
        check(error.status_code == 400, str(error))
    print("ollama")


def test_langchain():
    if not installed("langchain_openai"):
        return
    from langchain_openai import ChatOpenAI, OpenAIEmbeddings

    chat = ChatOpenAI(base_url=address + "/v1", api_key="none", model="any", temperature=0, max_tokens=20, max_retries=0)
    answer = chat.invoke(QUESTION)
    check("Paris" in answer.content and answer.usage_metadata["output_tokens"] > 0, "langchain")
    check("".join(chunk.content for chunk in chat.stream(QUESTION)) == answer.content, "langchain's stream")
    embeddings = OpenAIEmbeddings(
        base_url=address + "/v1", api_key="none", model="any", check_embedding_ctx_length=False, max_retries=0
    )
    check(len(embeddings.embed_query("a cat")) > 0, "langchain's embeddings")
    print("langchain-openai")


def test_metrics():
    if not installed("prometheus_client"):
        return
    from prometheus_client.parser import text_string_to_metric_families

    families = {family.name: family for family in text_string_to_metric_families(get("/metrics"))}
    check(families["powerinfer_generated_tokens"].samples[0].value > 0, "tokens are counted")
    check(families["powerinfer_time_to_first_token_seconds"].type == "histogram", "a histogram")
    for family in families.values():
        check(family.documentation, f"{family.name} says what it is")
    buckets = [s for s in families["powerinfer_time_to_first_token_seconds"].samples if s.name.endswith("_bucket")]
    values = [s.value for s in buckets]
    check(values == sorted(values) and buckets[-1].labels["le"] == "+Inf", "buckets ascend")
    print(f"metrics: {len(families)} families")


def connect():
    wire = socket.create_connection(("127.0.0.1", port), timeout=60)
    return wire


def status(wire):
    data = b""
    while b"\r\n" not in data:
        more = wire.recv(4096)
        if not more:
            break
        data += more
    return int(data.split()[1]) if data else 0


def think_openly():
    """All clients, beside a template that opens the reasoning: an answer that does not end it is nothing else."""
    messages = [{"role": "user", "content": QUESTION}]
    if openai := installed("openai"):
        client = openai.OpenAI(base_url=address + "/v1", api_key="none", max_retries=0)
        ask = dict(model="any", messages=messages, temperature=0, max_tokens=8)
        message = client.chat.completions.create(**ask).choices[0].message
        check(message.reasoning_content and message.content == "", f"reasoning, found {message}")
        parts = [c.choices[0].delta for c in client.chat.completions.create(**ask, stream=True)]
        check("".join(getattr(p, "reasoning_content", None) or "" for p in parts) == message.reasoning_content, "streamed reasoning")
        for off in ({"chat_template_kwargs": {"enable_thinking": False}}, {"enable_thinking": False}):
            quick = client.chat.completions.create(**ask, extra_body=off).choices[0].message
            check(quick.content and not getattr(quick, "reasoning_content", None), f"an answer without thinking, found {quick}")
        response = client.responses.create(model="any", input=QUESTION, temperature=0, max_output_tokens=8)
        check([item.type for item in response.output] == ["reasoning", "message"], f"a reasoning item, found {response.output}")
        with client.responses.stream(model="any", input=QUESTION, temperature=0, max_output_tokens=8) as stream:
            text = "".join(event.delta for event in stream if event.type == "response.reasoning_text.delta")
        check(text == response.output[0].content[0].text == message.reasoning_content, "streamed reasoning items")
    if anthropic := installed("anthropic"):
        client = anthropic.Anthropic(base_url=address, api_key="none", max_retries=0)
        ask = dict(model="any", max_tokens=8, messages=messages, extra_body={"temperature": 0})
        message = client.messages.create(**ask)
        check(message.content[0].type == "thinking" and message.content[0].thinking, f"a thinking block, found {message}")
        with client.messages.stream(**ask) as stream:
            text = "".join(event.thinking for event in stream if event.type == "thinking")
            final = stream.get_final_message()
        check(text == message.content[0].thinking == final.content[0].thinking, "a streamed thinking block")
        quick = client.messages.create(**ask, thinking={"type": "disabled"})
        check([block.type for block in quick.content] == ["text"] and quick.content[0].text, f"a message without thinking, found {quick}")
        again = messages + [{"role": "assistant", "content": final.content}, {"role": "user", "content": "And of Spain?"}]
        check(client.messages.create(**{**ask, "messages": again}).content, "a thinking block that goes back")
    if ollama := installed("ollama"):
        client = ollama.Client(host=address)
        ask = dict(model="any", messages=messages, options={"temperature": 0, "num_predict": 8})
        message = client.chat(**ask, think=True).message
        check(message.thinking and message.content == "", f"thinking, found {message}")
        pieces = [piece.message.thinking or "" for piece in client.chat(**ask, think=True, stream=True)]
        check("".join(pieces) == message.thinking, "streamed thinking")
        quick = client.chat(**ask, think=False).message
        check(quick.content and not quick.thinking, f"an answer without thinking, found {quick}")
        check("thinking" in client.show("any").capabilities, "a capability")
    print("reasoning")


def test_attacks():
    """What must not disturb the others; the Swift tests have more of it."""
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
    # 100 MB, of which nobody wants to know.
    wire = connect()
    wire.sendall(head + b"Content-Length: 104857600\r\n\r\n")
    block, sent = b"x" * (1 << 20), 0
    try:
        while sent < 100:
            wire.sendall(block)
            sent += 1
    except OSError:
        pass
    check(status(wire) == 413, "100 MB")
    # Half open, idle, one byte a second.
    crowd = [connect() for _ in range(200)]
    slow = connect()
    slow.sendall(head + b"Content-Length: 100\r\n\r\n{")
    begin = time.time()
    for _ in range(8):
        time.sleep(1)
        try:
            slow.sendall(b" ")
        except OSError:
            break
    check(status(slow) == 408 and time.time() - begin < 15, "a slow body")
    check(json.loads(get("/health"))["status"] == "ok", "others are served")
    # Gone without a word.
    for wire in crowd:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()
    both = connect()
    both.sendall(head + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n")
    check(status(both) == 400, "both lengths")
    check(idle(), "idle")
    print("attacks")


started = time.time()
beginnings = tuple(sys.argv[3:]) or ("test_",)
for name, test in list(globals().items()):
    if name.startswith(beginnings):
        test()
os.kill(process, 0)
print(f"{passed} checks passed in {time.time() - started:.0f} s")
