"""Uses the chat page of a running server as people do, in headless Chromium; see test-server.sh.

Usage: test_page.py ADDRESS [PICTURES]

Answers that a model would not give (hostile, broken, cut off) come from a server of its own between the browser and ADDRESS. PICTURES is
a folder for screenshots. With PAGE_FILES=Sources/Page/Files the page's files are taken from there, to try changes without a build.
"""

import http.client
import http.server
import importlib.util
import json
import os
import pathlib
import random
import re
import shutil
import sys
import tempfile
import threading
import time
import urllib.parse

from playwright.sync_api import sync_playwright

address = urllib.parse.urlsplit(sys.argv[1])
pictures = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
files = os.environ.get("PAGE_FILES")
passed = 0


def check(condition, what):
    global passed
    if not condition:
        raise SystemExit(f"Failed: {what}")
    passed += 1


# MARK: The server between

HOSTILE = """<script>window.pwned = 1</script>
<img src=x onerror="window.pwned = 2"> <svg onload="window.pwned = 3"></svg> <iframe srcdoc="<script>parent.pwned = 4</script>"></iframe>

[click](javascript:window.pwned=5) [data](data:text/html,<script>window.pwned=6</script>) <javascript:alert(1)> ![x](https://example.org/x.png)

[fine](https://example.org/a_b "title") and https://example.org/path_(x).

> """ + "> " * 200 + """deep

""" + "".join("  " * i + "- deeper\n" for i in range(60)) + """
**bold *both** open `code [link](<unclosed "x

| a | b |
|---|:-:|
| <b>1</b> | `x|y` | extra |
| 2 |

""" + "*a **b " * 800 + "\n\n" + "[" * 3000 + "\n\n" + "`" * 501 + " " + "`" * 500 + """

``` html"><script>window.pwned=7</script>
<script>window.pwned = 8</script>
never closed"""

MARKDOWN = """## Sorting

Here is *one* way, with **care** and `sorted(list)`:

```python
def largest(values: list[int], count: int = 3) -> list[int]:
    # The largest first.
    return sorted(values, reverse=True)[:count]

print(largest([3, 14, 15, 92]))
```

1. Read the values
2. Sort them
   - falling
   - by number
3. Keep the first

| Method | Time | Stable |
|--------|-----:|:------:|
| `sorted` | n log n | yes |
| heap | n log k | no |

> A heap pays where few are wanted.

- [x] works
- [ ] is fast

See [the manual](https://docs.python.org/3/howto/sorting.html)."""

ANSWERS = {
    "hostile": HOSTILE,
    "markdown": MARKDOWN,
    "line": "x" * 500_000 + "<b>" + "word " * 100_000,
    "code": "```js\n" + "f(`" * 30_000 + "\n```",
    "plain": "An answer.",
    "cut": "The first half of an answer",
}


# What a model thinks before it says the answer of the same name.
THOUGHTS = {"plain thoughtful": "First this.\n<script>window.pwned = 9</script> **not bold** " + "x" * 20_000}
ANSWERS["plain thoughtful"] = "An answer, *thought* about."


class Between(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    key = None
    busy = 0
    seen = []

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        if files and (path == "/" or path.startswith("/page/")):
            return self.file("index.html" if path == "/" else pathlib.PurePosixPath(path).name)
        self.forward(None)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/v1/chat/completions":
            return self.forward(body)
        if Between.key and self.headers["Authorization"] != f"Bearer {Between.key}":
            return self.refuse(401, "The API key is missing or wrong.")
        if Between.busy:
            Between.busy -= 1
            return self.refuse(503, "The model is being loaded.")
        request = json.loads(body)
        Between.seen.append(request)
        name = request["messages"][-1]["content"]
        if name not in ANSWERS:
            return self.forward(body)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        text = ANSWERS[name]
        step = max(7, len(text) // 200)
        try:
            self.event({"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
            thought = THOUGHTS.get(name, "")
            for start in range(0, len(thought), 2000):
                self.event({"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {"reasoning_content": thought[start : start + 2000]}}]})
            for start in range(0, len(text), step):
                self.event({"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {"content": text[start : start + step]}}]})
            if name == "cut":
                time.sleep(0.3)
                return
            self.event({"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            pass

    def event(self, data):
        self.wfile.write(f"data: {json.dumps(data)}\n\n".encode())

    def refuse(self, status, message):
        self.reply(status, "application/json", json.dumps({"error": {"message": message}}).encode())

    def reply(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if files:
            self.send_header(
                "Content-Security-Policy",
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            )
        self.end_headers()
        self.wfile.write(body)

    def file(self, name):
        kinds = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
        path = pathlib.Path(files, name)
        self.reply(200, kinds[path.suffix] + "; charset=utf-8", path.read_bytes())

    def forward(self, body):
        # As long as an answer may take on a slow machine.
        server = http.client.HTTPConnection(address.hostname, address.port, timeout=600)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection", "origin")}
        try:
            server.request(self.command, self.path, body, headers)
            reply = server.getresponse()
            self.send_response(reply.status)
            for name, value in reply.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            while piece := reply.read1(1 << 16):
                self.wfile.write(piece)
                self.wfile.flush()
        except OSError:
            pass
        finally:
            self.close_connection = True
            server.close()


# MARK: People

class Visitor:
    """Somebody with a browser of their own."""

    def __init__(self, browser, **options):
        self.context = browser.new_context(base_url=front, accept_downloads=True, **options)
        # Only for hangs: the machine may be busy.
        self.context.set_default_timeout(150_000)
        self.context.set_default_navigation_timeout(150_000)
        self.problems = []
        self.context.add_init_script(
            "addEventListener('securitypolicyviolation', (e) => console.error('CSP ' + e.violatedDirective + ' ' + e.blockedURI))"
        )
        self.page = self.open()

    def open(self, path="/"):
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self.note)
        page.goto(path)
        page.wait_for_selector("#status:not(:empty)", state="attached")
        return page

    def note(self, message):
        # What browsers say by themselves about replies that are refused or cut off, which are asked for here.
        if message.type == "error" and not any(part in message.text for part in ("Failed to load resource", "net::ERR")):
            self.problems.append(message.text)

    def send(self, text, page=None):
        page = page or self.page
        page.fill("#input", text)
        page.press("#input", "Enter")

    def wait(self, page=None):
        """Until the answer has ended."""
        (page or self.page).wait_for_selector("#messages .message:last-child:not(.running)")
        (page or self.page).wait_for_selector("#send:visible")

    def ask(self, text, page=None):
        self.send(text, page)
        self.wait(page)
        return self.last(page)

    def last(self, page=None):
        return (page or self.page).locator("#messages .message").last.locator(".body").inner_text()

    def texts(self, page=None):
        return (page or self.page).locator("#messages .body").all_inner_texts()

    def leave(self):
        self.context.close()
        check(self.problems == [], f"no errors and no violations of the security policy, found {self.problems}")


def until(page, condition):
    """Waits; the page's policy does not let the browser's driver do so by itself."""
    end = time.time() + 150
    while not page.evaluate(condition):
        if time.time() > end:
            raise SystemExit(f"Failed: waited for {condition}")
        time.sleep(0.05)


def picture(page, name, **options):
    if pictures:
        pages = pathlib.Path(pictures)
        pages.mkdir(exist_ok=True)
        page.screenshot(path=pages / f"{name}.png", **options)


def audit(page, where):
    """What axe-core finds of WCAG 2.2 A and AA, and of good practice; but models begin with whichever heading they like."""
    if not axe:
        return
    page.evaluate(axe)
    found = page.evaluate(
        """async () => (await axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
          rules: {"heading-order": {enabled: false}}}))
        .violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html.slice(0, 160) + " " + (n.any[0]?.message ?? "")).join("; "))"""
    )
    check(found == [], f"accessibility, {where}: {found}")


def find_axe():
    for package in ("axe_core_python", "axe_playwright_python"):
        spec = importlib.util.find_spec(package)
        if spec and spec.origin:
            for path in sorted(pathlib.Path(spec.origin).parent.rglob("axe*.js")):
                return path.read_text()
    print("Skipped: axe-core is not here.")
    return None


# MARK: What they do

def test_answers(browser):
    one = Visitor(browser)
    page = one.page
    check(page.locator("#welcome").is_visible(), "a welcome")
    audit(page, "the beginning")
    page.click("#open-settings")
    page.fill("#set-temperature", "0")
    page.fill("#set-max_tokens", "12")
    page.fill("#system", "Answer in one sentence.")
    page.press("#system", "Tab")
    audit(page, "settings")
    page.fill("#set-top_p", "7")
    page.press("#set-top_p", "Tab")
    check("from 0 to 1" in page.inner_text("#sampling-error"), "a setting out of range is refused in a sentence")
    page.fill("#set-top_p", "")
    page.press("#set-top_p", "Tab")
    page.keyboard.press("Escape")
    text = one.ask("What is the capital of France?")
    check("Paris" in text, f"the model's answer, found {text!r}")
    sent = Between.seen[-1]
    check(sent["temperature"] == 0 and sent["max_tokens"] == 12 and "top_p" not in sent, "sampling settings are sent")
    check(sent["messages"][0] == {"role": "system", "content": "Answer in one sentence."}, "the system prompt is sent")
    # Written a moment after the answer has ended.
    until(page, "[...document.querySelectorAll('.message .foot')].at(-1)?.innerText.includes('tokens') ?? false")
    check("tokens" in page.locator(".message .foot").last.inner_text(), "tokens per second")
    page.reload()
    check(one.last() == text, "a reload keeps the answer")
    # Stopped in the middle: what has come stays.
    page.click("#open-settings")
    page.fill("#set-max_tokens", "1500")
    page.press("#set-max_tokens", "Tab")
    page.keyboard.press("Escape")
    one.send("Tell me a very long story about a ship.")
    until(page, "document.querySelector('.message.running .markdown')?.textContent.length > 20")
    check(page.locator("#stop").is_visible() and page.locator("#send").is_hidden(), "a button that stops")
    page.keyboard.press("Escape")
    one.wait()
    check("Stopped." in page.locator(".message").last.inner_text() and len(one.last()) > 20, "Escape stops, and keeps what came")
    # Left in the middle: what had come by then is there, and said to be cut off.
    one.send("Tell me a very long story about a train.")
    until(page, "document.querySelector('.message.running .markdown')?.textContent.length > 20")
    page.reload()
    text = page.locator(".message").last.inner_text()
    check("interrupted" in text and len(one.last()) > 10, f"a reload in the middle of an answer, found {text!r}")
    one.leave()


def test_markdown(browser):
    one = Visitor(browser)
    page = one.page
    one.ask("markdown")
    body = page.locator(".markdown")
    check(body.locator("h3").inner_text() == "Sorting", "heading")
    check(body.locator("ol > li").count() == 3 and body.locator("ol > li > ul > li").count() == 2, "nested lists")
    check(body.locator("td").all_inner_texts() == ["sorted", "n log n", "yes", "heap", "n log k", "no"], "table")
    check(body.locator("pre .kw").all_inner_texts() == ["def", "return", "True"], "keywords are coloured")
    check(body.locator(".task input:checked").count() == 1, "tasks")
    link = body.locator("a")
    check(link.get_attribute("href").startswith("https://docs.python.org") and "noopener" in link.get_attribute("rel"), "link")
    audit(page, "Markdown")
    picture(page, "chat-light")
    page.locator(".codebar button").click()
    page.wait_for_selector("text=Copied")
    page.click("#toggle-theme")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    check(sum(map(int, dark[4:-1].split(","))) < 150, f"dark colours, found {dark}")
    audit(page, "dark")
    picture(page, "chat-dark")
    page.reload()
    check(page.evaluate("document.documentElement.dataset.theme") == "dark", "a reload keeps the colours")
    one.leave()
    # A text that comes in pieces looks as it does at once.
    pieces = Visitor(browser)
    different = pieces.page.evaluate(
        """async (texts) => {
          const { MarkdownView, render } = await import("/page/markdown.js");
          const whole = (text) => { const div = document.createElement("div"); div.append(render(text)); return div.innerHTML; };
          const wrong = [];
          for (const text of texts) {
            const div = document.createElement("div");
            const view = new MarkdownView(div);
            for (let end = 0; end < text.length; end += 13) view.update(text.slice(0, end));
            view.update(text);
            if (div.innerHTML !== whole(text)) wrong.push(text.slice(0, 40));
          }
          return wrong;
        }""",
        [MARKDOWN, "a\n\n- b\n\n- c\n\n  d\n\ne\n\n```\n\nx\n\n```\n\nf", "> a\n\n> b\n\n# c\nd\n\n    e\n\n1. x\n\ny"],
    )
    check(different == [], f"Markdown in pieces, found {different}")
    # Expected by CommonMark and GitHub's tables, as far as they are followed.
    for text, expected in (
        ("*a* _b_ **c** __d__ ***e*** ~~f~~", "<p><em>a</em> <em>b</em> <strong>c</strong> <strong>d</strong> <em><strong>e</strong></em> <del>f</del></p>"),
        ("snake_case_name 2*3*4 \\*no\\*", "<p>snake_case_name 2<em>3</em>4 *no*</p>"),
        ("`` a`b `` &lt;b&gt; &nope;", "<p><code>a`b</code> &lt;b&gt; &amp;nope;</p>"),
        ("[a](javascript:x) [b](//x) [c](x)", "<p>a (javascript:x) b (//x) c (x)</p>"),
        ("# a #\n---\n***", '<h2 class="level1">a</h2><hr><hr>'),
        ("<b>&amp;</b>", "<p>&lt;b&gt;&amp;&lt;/b&gt;</p>"),
        ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("- a\n  b\n\n  c", "<ul><li>a<br>b<p>c</p></li></ul>"),
    ):
        found = pieces.page.evaluate(
            """async (text) => { const { render } = await import("/page/markdown.js"); const div = document.createElement("div");
            div.append(render(text)); return div.innerHTML; }""",
            text,
        )
        check(found == expected, f"Markdown {text!r}: expected {expected}, found {found}")
    pieces.leave()


def test_markdown_as_another_reads_it(browser):
    if not importlib.util.find_spec("markdown_it"):
        return print("Skipped: markdown-it-py is not here.")
    from markdown_it import MarkdownIt

    other = MarkdownIt("commonmark", {"html": False, "breaks": True})
    chance = random.Random(3)
    atoms = ["*", "**", "***", "_", "__", "a", "b ", " c", "`", "x", "\\*", "[a](http://x.y)", "<b>", "&lt;", "\n"]
    # Letters around it, so that the text is one paragraph.
    texts = ["q" + "".join(chance.choices(atoms, k=chance.randint(2, 9))) + "z" for _ in range(400)]
    # Both leave spaces beside breaks, which nobody sees, and some attributes differ.
    plain = lambda html: re.sub(r"\s+", " ", re.sub(r' (target|rel|title)="[^"]*"', "", html).replace("<br>\n", "<br>").replace("</p>\n", "</p>")).strip()
    one = Visitor(browser)
    found = one.page.evaluate(
        """async (texts) => { const { render } = await import("/page/markdown.js");
        return texts.map((text) => { const div = document.createElement("div"); div.append(render(text)); return div.innerHTML; }); }""",
        texts,
    )
    for text, html in zip(texts, found):
        expected = other.render(text).replace("<br />", "<br>").replace("&quot;", '"')
        expected = expected.replace('href="http://x.y"', 'href="http://x.y/"')
        check(plain(html) == plain(expected), f"Markdown {text!r}: expected {expected}, found {html}")
    one.leave()


def test_hostile_answers(browser):
    one = Visitor(browser)
    page = one.page
    text = one.ask("hostile")
    check("<script>window.pwned = 1</script>" in text and "[" * 3000 in text, "hostile text is shown as text")
    check(page.evaluate("window.pwned") is None, "nothing of an answer runs")
    check(page.locator("#messages :is(script, img, iframe, object, style, form)").count() == 0, "no element out of HTML text")
    links = page.locator("#messages a").evaluate_all("all => all.map((a) => a.href)")
    check(links and all(link.startswith("https://example.org/") for link in links), f"links to the web alone, found {links}")
    for name in ("line", "code"):
        begin = time.time()
        one.ask(name)
        check(len(page.locator(".markdown").last.text_content()) > 90_000, f"a large answer ({name})")
        page.click("#toggle-theme")
        print(f"an answer of {len(ANSWERS[name]) / 1e6:.1f} MB ({name}): {time.time() - begin:.1f} s")
    one.leave()


def test_branches(browser):
    one = Visitor(browser)
    page = one.page
    one.ask("plain")
    page.locator(".message.assistant").last.get_by_label("Try again").click()
    one.wait()
    check(page.locator(".branches").inner_text() == "2/2", "another try is a branch")
    page.locator(".message.user").get_by_label("Edit").click()
    page.get_by_label("Edit the message").fill("cut")
    page.keyboard.press("Enter")
    one.wait()
    check(one.texts() == ["cut", "The first half of an answer"], "an edited message is answered")
    check("connection was lost" in page.locator(".message").last.inner_text(), "a lost connection is said, and what came stays")
    audit(page, "branches and an error")
    page.get_by_label("The branch before").click()
    check(one.texts() == ["plain", "An answer."] and page.locator(".branches").count() == 2, "the branch before")
    page.reload()
    check(one.texts() == ["plain", "An answer."], "a reload keeps the branch")
    page.get_by_label("The next branch").first.click()
    ANSWERS["cut"], whole = "Whole again.", ANSWERS["cut"]
    page.locator(".message.assistant").get_by_label("Try again").click()
    one.wait()
    ANSWERS["cut"] = whole
    check(one.last() == "Whole again.", "after a lost connection, another try")
    # A model that is being loaded is waited for; too many requests are said.
    Between.busy = 1
    check(one.ask("plain") == "An answer.", "a server that loads its model")
    one.leave()


def test_conversations(browser):
    one = Visitor(browser)
    page = one.page
    one.ask("plain")
    page.click("#new")
    one.ask("markdown")
    check(page.locator("#conversations li").count() == 2, "two conversations")
    page.get_by_label("Rename markdown").click()
    page.fill("#ask-field", "A <b>name</b>")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('A <b>name</b>')")
    page.fill("#search", "an answer")
    check(page.locator("#conversations .open").all_inner_texts() == ["plain"], "search looks into messages")
    page.fill("#search", "")
    page.click("#open-settings")
    with page.expect_download() as download:
        page.click("#export-all")
    exported = pathlib.Path(work, "exported.json")
    download.value.save_as(exported)
    check(len(json.loads(exported.read_text())["conversations"]) == 2, "export")
    page.keyboard.press("Escape")
    page.locator("#conversations li.current").get_by_label("Delete").click()
    page.click("#ask-yes")
    until(page, "document.querySelectorAll('#conversations li').length === 1")
    one.leave()

    other = Visitor(browser)
    page = other.page
    page.set_input_files("#import-picker", exported)
    until(page, "document.querySelectorAll('#conversations li').length === 2")
    page.get_by_role("button", name="A <b>name</b>", exact=True).click()
    check("Sorting" in other.last(), "an imported conversation")
    for name, content in (("no.json", "{"), ("other.json", '{"a": 1}'), ("half.json", '{"format": "powerinfer-conversations", "conversations": [{}]}')):
        bad = pathlib.Path(work, name)
        bad.write_text(content)
        page.set_input_files("#import-picker", bad)
        page.wait_for_selector(".notice:has-text('cannot be imported')")
        page.get_by_label("Put this notice away").click()
    check(page.locator("#conversations li").count() == 2, "a bad file changes nothing")
    # A file that is attached goes with the message, one that is no text does not.
    note = pathlib.Path(work, "note.md")
    note.write_text("```\ninside\n```\n")
    binary = pathlib.Path(work, "binary.dat")
    binary.write_bytes(b"\xff\xfe\x00\x01")
    page.set_input_files("#file-picker", [note, binary])
    page.wait_for_selector(".notice:has-text('binary.dat is not a text file.')")
    other.send("What is in it?")
    page.wait_for_selector("#stop:visible")
    page.click("#stop")
    other.wait()
    sent = Between.seen[-1]["messages"][-1]["content"]
    check(sent == "File note.md:\n````\n```\ninside\n```\n````\n\nWhat is in it?", f"a file in a message, found {sent!r}")
    other.leave()


def test_storage(browser):
    one = Visitor(browser)
    page = one.page
    page.evaluate(
        """() => { localStorage.setItem("powerinfer.chat.broken", '{"id": "broken", "nodes": {"a": {"te'); localStorage.setItem("powerinfer.settings", "{{");
        let size = 1 << 22; let i = 0;
        while (size > 8) { try { localStorage.setItem("filler" + i++, "x".repeat(size)); } catch { size >>= 1; } } }"""
    )
    page.reload()
    page.wait_for_selector(".notice:has-text('cannot be read')")
    check(one.ask("plain") == "An answer.", "an answer with a full storage")
    page.wait_for_selector(".notice:has-text('storage is full')")
    audit(page, "notices")
    with page.expect_download() as download:
        page.locator(".notice:has-text('cannot be read') button:has-text('Save')").click()
    saved = pathlib.Path(work, "saved.json")
    download.value.save_as(saved)
    check('{"a": {"te' in "".join(json.loads(saved.read_text())["damaged"].values()), "what was damaged can be saved")
    page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('filler')).forEach((key) => localStorage.removeItem(key))")
    one.ask("plain")
    check(page.locator(".notice:has-text('storage is full')").count() == 0, "the notice goes once there is room")
    page.reload()
    check(one.texts() == ["plain", "An answer."] * 2, "nothing of the conversation is lost")
    one.leave()


def test_two_pages(browser):
    one = Visitor(browser)
    one.ask("plain")
    second = one.open(one.page.url.removeprefix(front))
    check(one.texts(second) == ["plain", "An answer."], "the same conversation in two tabs")
    one.send("markdown")
    one.send("plain", second)
    one.wait()
    one.wait(second)
    texts = []
    for page in (one.page, second):
        page.reload()
        texts.append(one.texts(page))
    check(texts[0] == texts[1] and len(texts[0]) >= 4, f"two tabs show the same, found {texts}")
    stored = one.page.evaluate("Object.values(JSON.parse(Object.entries(localStorage).find(([key]) => key.includes('chat.'))[1]).nodes).map((n) => n.text.slice(0, 10))")
    check(sorted(stored) == sorted(["plain", "An answer.", "markdown", MARKDOWN[:10], "plain", "An answer."]), f"nothing is lost, found {stored}")
    one.leave()


def test_keys(browser):
    Between.key = "secret"
    one = Visitor(browser)
    one.send("plain")
    one.page.wait_for_selector("#ask[open]")
    one.page.fill("#ask-field", "secret")
    one.page.keyboard.press("Enter")
    one.wait()
    check(one.last() == "An answer.", "a key that the server asks for")
    check("secret" not in one.page.evaluate("JSON.stringify(localStorage)"), "the key is not kept")
    Between.key = None
    one.leave()


def test_long_conversation(browser):
    nodes, parent = {}, ""
    for i in range(200):
        nodes[f"n{i}"] = {
            "id": f"n{i}", "parent": parent, "role": "assistant" if i % 2 else "user", "created": i, "finish": "stop",
            "text": MARKDOWN if i % 2 else f"Question {i // 2 + 1}",
        }
        parent = f"n{i}"
    chat = {"id": "long", "title": "Long", "created": 1, "changed": 1, "system": "", "nodes": nodes, "picked": {}}
    one = Visitor(browser)
    page = one.page
    page.evaluate("(chat) => localStorage.setItem('powerinfer.chat.long', JSON.stringify(chat))", chat)
    begin = time.time()
    page.goto("/#long")
    page.reload()
    page.wait_for_selector(".message:nth-child(200)")
    print(f"200 messages: {time.time() - begin:.1f} s")
    at = page.evaluate("(() => { const s = document.getElementById('scroll'); return s.scrollHeight - s.scrollTop - s.clientHeight; })()")
    check(at < 80, f"a long conversation opens at its end, found {at}")
    check(one.ask("plain") == "An answer." and page.locator(".message").count() == 202, "a long conversation goes on")
    page.evaluate("document.getElementById('scroll').scrollTop = 0")
    page.wait_for_selector("#to-end:visible")
    page.click("#to-end")
    page.wait_for_selector("#to-end", state="hidden")
    one.leave()


def test_phone(browser):
    one = Visitor(browser, viewport={"width": 360, "height": 740}, color_scheme="dark", has_touch=True, is_mobile=True, device_scale_factor=2)
    page = one.page
    check(page.evaluate("document.documentElement.dataset.theme") == "dark", "the system's colours")
    one.ask("markdown")
    one.ask("hostile")
    width = page.evaluate("[document.documentElement.scrollWidth, document.getElementById('scroll').scrollWidth]")
    check(max(width) <= 360, f"no sideways scrolling on a phone, found {width}")
    audit(page, "phone")
    check(page.evaluate("document.getElementById('sidebar').inert"), "the list is out of reach while it is out of sight")
    page.click("#open-sidebar")
    page.wait_for_timeout(400)
    audit(page, "the list on a phone")
    picture(page, "phone-list")
    page.keyboard.press("Escape")
    check(page.evaluate("document.activeElement.id") == "open-sidebar", "the focus goes back")
    page.evaluate("document.getElementById('scroll').scrollTop = 0")
    picture(page, "phone-dark")
    one.leave()


def test_keyboard(browser):
    one = Visitor(browser)
    page = one.page
    one.ask("plain")
    page.keyboard.press("Control+k")
    check(page.evaluate("document.activeElement.id") == "search", "Ctrl+K")
    page.keyboard.press("Alt+n")
    check(page.evaluate("document.activeElement.id") == "input" and page.locator(".message").count() == 0, "Alt+N")
    page.keyboard.type("two")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("lines")
    check(page.input_value("#input") == "two\nlines", "Shift+Enter")
    page.evaluate("document.activeElement.blur()")
    seen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.id || document.activeElement.getAttribute('aria-label') || document.activeElement.textContent")
        if name in seen:
            break
        seen.append(name)
    for wanted in ("new", "search", "plain", "open-settings", "toggle-neurons", "toggle-theme", "attach", "input", "send"):
        check(wanted in seen, f"Tab reaches {wanted}, found {seen}")
    one.leave()


def test_thoughts(browser):
    one = Visitor(browser)
    page = one.page
    check(one.ask("plain thoughtful") == "An answer, thought about.", "the answer without the thoughts")
    details = page.locator(".message.assistant details")
    check(details.locator("summary").inner_text() == "Thoughts" and not page.locator(".thoughts").is_visible(), "thoughts are folded away")
    audit(page, "thoughts, folded")
    details.locator("summary").focus()
    page.keyboard.press("Enter")
    check(page.locator(".thoughts").inner_text() == THOUGHTS["plain thoughtful"], "thoughts, as they are")
    check(page.evaluate("window.pwned") is None, "thoughts are no markup")
    audit(page, "thoughts, shown")
    page.reload()
    check(page.locator(".thoughts").text_content() == THOUGHTS["plain thoughtful"], "a reload keeps the thoughts")
    one.ask("plain")
    sent = Between.seen[-1]["messages"]
    check(sent[1]["content"] == ANSWERS["plain thoughtful"] and sent[1]["reasoning_content"] == THOUGHTS["plain thoughtful"], "thoughts are sent back")
    check(not page.locator(".message.assistant details").last.is_visible(), "an answer without thoughts has none")
    one.leave()


def test_neurons(browser):
    one = Visitor(browser, viewport={"width": 1440, "height": 860})
    page = one.page
    page.click("#open-settings")
    page.fill("#set-temperature", "0")
    page.fill("#set-max_tokens", "40")
    page.press("#set-max_tokens", "Tab")
    page.keyboard.press("Escape")
    with page.expect_response("**/v1/activity"):
        page.click("#toggle-neurons")
    one.ask("What is the capital of France, and what is it known for?")
    until(page, "document.querySelectorAll('#neurons dd').length > 0")
    figures = dict(zip(page.locator("#neurons dt").all_inner_texts(), page.locator("#neurons dd").all_inner_texts()))
    check(0 < float(figures["Neurons that fired"].split()[0]) < 100, f"the share of neurons that fire, found {figures}")
    tokens = page.locator("#neurons .strip span")
    check("".join(tokens.all_inner_texts()).strip() == page.locator(".markdown").last.inner_text().strip(), "the answer's tokens")
    paint = "document.querySelector('#neurons canvas').toDataURL()"
    last = page.evaluate(paint)
    tokens.nth(3).hover()
    until(page, "document.querySelector('#neurons').innerText.includes('The token “')")
    check(page.evaluate(paint) != last, "another token's neurons")
    # Pointing at the answer itself does the same.
    box = page.evaluate(
        """() => { const walker = document.createTreeWalker(document.querySelector(".markdown"), NodeFilter.SHOW_TEXT);
        const node = walker.nextNode(), at = node.data.indexOf("Paris"), range = document.createRange();
        range.setStart(node, at); range.setEnd(node, at + 5); const { x, y, width, height } = range.getBoundingClientRect();
        return [x + width / 2, y + height / 2]; }"""
    )
    page.mouse.move(*box)
    until(page, "document.querySelector('#neurons').innerText.includes('The token “Paris”')")
    check(page.evaluate("[...CSS.highlights.get('token')].map(String).join('')").strip() == "Paris", "the token is marked in the answer")
    page.mouse.move(5, 5)
    until(page, "document.querySelector('#neurons').innerText.includes('The latest token.')")
    audit(page, "neurons")
    page.locator("#neurons .strip").focus()

    def point(index, x):
        tokens.nth(index).dispatch_event("pointerover", {"screenX": x, "screenY": 7, "bubbles": True})

    def is_selected(index):
        return tokens.nth(index).get_attribute("aria-selected") == "true"

    point(3, 1)
    page.keyboard.press("ArrowRight")
    check(is_selected(4), "tokens by the keyboard")
    # What comes to lie beneath a pointer that rests chooses nothing.
    point(6, 1)
    check(is_selected(4), "a key's choice stays while the pointer rests")
    point(6, 2)
    check(is_selected(6), "a pointer that moves chooses again")
    picture(page, "neurons-light")
    page.click("#toggle-theme")
    picture(page, "neurons-dark")
    one.leave()


axe = find_axe()
work = tempfile.mkdtemp()
http.server.ThreadingHTTPServer.request_queue_size = 128
between = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Between)
threading.Thread(target=between.serve_forever, daemon=True).start()
front = f"http://127.0.0.1:{between.server_port}"
program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
only = os.environ.get("ONLY", "test_").split(",")
try:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        for name, test in list(globals().items()):
            if name.startswith("test_") and any(part in name for part in only):
                begin = time.time()
                test(browser)
                print(f"{name[5:].replace('_', ' ')}: {time.time() - begin:.1f} s", flush=True)
        browser.close()
finally:
    shutil.rmtree(work, ignore_errors=True)
print(f"The page: {passed} checks")
