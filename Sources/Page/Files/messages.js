// The messages of a conversation, and what can be done with each.
import { copy, icon, iconButton, make } from "./dom.js";
import { MarkdownView, pieces } from "./markdown.js";
import { wireText } from "./tree.js";

const reasons = {
  length: "The answer ends here because it reached its greatest length.",
  stopped: "Stopped.",
};

export class MessageList {
  #views = new Map(); // by node

  /** `actions`: retry(node), edit(node, text) → whether it is sent, pick(node), isRunning(node). */
  constructor(element, actions) {
    this.element = element;
    this.actions = actions;
  }

  /** Shows a path; messages that are shown already stay as they are. */
  show(path) {
    const kept = new Map();
    const items = path.map(({ node, branches }, position) => {
      const view = this.#views.get(node) ?? new MessageView(node, this.actions);
      kept.set(node, view);
      view.refresh(branches, position);
      return view.element;
    });
    this.#views = kept;
    // Only what changes is moved, so that focus and scrolling stay.
    items.forEach((item, index) => {
      if (this.element.children[index] !== item) this.element.insertBefore(item, this.element.children[index] ?? null);
    });
    while (this.element.children.length > items.length) this.element.lastChild.remove();
  }

  view(node) { return this.#views.get(node); }

  /** The message that an element belongs to. */
  viewAt(element) {
    const item = element?.closest?.(".message");
    return item ? [...this.#views.values()].find((view) => view.element === item) : undefined;
  }
}

class MessageView {
  #timer = 0;
  #due = 0;

  constructor(node, actions) {
    this.node = node;
    this.actions = actions;
    const isUser = node.role === "user";
    this.label = make("p", { className: "who" }, isUser ? "You" : node.model || "Assistant");
    this.body = make("div", { className: isUser ? "body plain-text" : "body markdown" });
    this.note = make("p", { className: "note", hidden: true });
    this.foot = make("div", { className: "foot" });
    this.element = make("li", { className: `message ${node.role}` }, this.label);
    if (node.files?.length) {
      this.element.append(make("ul", { className: "chips", "aria-label": "Attached files" }, ...node.files.map((file) => make("li", {}, file.name))));
    }
    this.thoughts = make("div", { className: "plain-text thoughts" });
    this.thinking = make("details", { hidden: true }, make("summary", {}, "Thoughts"), this.thoughts);
    if (!isUser) this.element.append(this.thinking);
    this.element.append(this.body, this.note, this.foot);
    if (isUser) this.body.textContent = node.text;
    else this.markdown = new MarkdownView(this.body);
    this.isDrawn = isUser;
  }

  refresh(branches, position) {
    const { node } = this;
    const isRunning = this.actions.isRunning(node);
    this.element.classList.toggle("running", isRunning);
    if (!this.isDrawn && !isRunning) this.draw();
    this.#say(isRunning);
    const tools = [];
    if (branches.length > 1) tools.push(this.#branchTools(branches));
    if (!isRunning) {
      const copyButton = iconButton("copy", "Copy", () => copy(node.role === "user" ? wireText(node) : node.text, copyButton));
      if (node.text) tools.push(copyButton);
      if (node.role === "user") tools.push(iconButton("edit", "Edit", () => this.edit()));
      tools.push(iconButton("retry", node.role === "user" ? "Answer again" : "Try again", () => this.actions.retry(node)));
    }
    if (!isRunning && node.tokens) {
      // Of a very short time no speed can be told.
      const speed = node.seconds > 0.1 ? `, ${(node.tokens / node.seconds).toFixed(1)} per second` : "";
      tools.push(make("span", { className: "quiet small" }, `${node.tokens} ${node.tokens === 1 ? "token" : "tokens"}${speed}`));
    }
    // Where the focus is in here, it stays on the same tool.
    const focused = this.foot.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    this.foot.replaceChildren(...tools);
    if (focused) [...this.foot.querySelectorAll("button")].find((button) => button.getAttribute("aria-label") === focused && !button.disabled)?.focus();
    this.element.setAttribute("aria-label", `${node.role === "user" ? "You" : "Answer"}, message ${position + 1}`);
  }

  #branchTools(branches) {
    const at = branches.indexOf(this.node);
    const [left, right] = [
      iconButton("left", "The branch before", () => this.actions.pick(branches[at - 1])),
      iconButton("right", "The next branch", () => this.actions.pick(branches[at + 1])),
    ];
    left.disabled = at === 0;
    right.disabled = at === branches.length - 1;
    const count = make("span", { className: "small", "aria-label": `Branch ${at + 1} of ${branches.length}`, role: "img" }, `${at + 1}/${branches.length}`);
    return make("span", { className: "branches", role: "group", "aria-label": "Branches" }, left, count, right);
  }

  #say(isRunning) {
    const { node } = this;
    let text = "";
    let isError = false;
    if (node.error) [text, isError] = [node.error, true];
    else if (reasons[node.finish]) text = reasons[node.finish];
    else if (node.role === "assistant" && !node.finish && !isRunning) text = "This answer was interrupted.";
    this.note.replaceChildren(text);
    this.note.hidden = !text;
    this.note.classList.toggle("error", isError);
    if (isError) this.note.setAttribute("role", "alert");
    else this.note.removeAttribute("role");
  }

  /** How fast the answer comes, while it comes. */
  progress(text) {
    if (!this.meter) {
      this.meter = make("span", { className: "quiet small meter" });
    }
    if (!this.meter.isConnected) this.foot.append(this.meter);
    this.meter.textContent = text;
  }

  draw() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const { text, thought } = this.node;
    this.markdown.update(text);
    this.thinking.hidden = !thought;
    if (thought) {
      this.thinking.firstChild.textContent = this.actions.isRunning(this.node) && !text ? "Thinking…" : "Thoughts";
      if (this.thoughts.textContent !== thought) this.thoughts.replaceChildren(...pieces(thought));
    }
    this.isDrawn = true;
  }

  /** Shows what the text has become; seldom enough that the page stays quick, however long the text is. */
  grow(then) {
    this.isDrawn = false;
    if (this.#timer) return;
    this.#timer = setTimeout(() => {
      const start = performance.now();
      this.draw();
      then();
      // `then` asks for the layout, which is part of the cost.
      const cost = performance.now() - start;
      this.#due = performance.now() + Math.min(3000, Math.max(30, 6 * cost));
    }, Math.max(0, this.#due - performance.now()));
  }

  /** Makes a message of the user's a field. */
  edit() {
    if (this.editor) { this.editor.querySelector("textarea").focus(); return; }
    const area = make("textarea", { value: this.node.text, "aria-label": "Edit the message", rows: Math.min(12, this.node.text.split("\n").length + 1) });
    const close = () => {
      this.editor.remove();
      this.editor = null;
      this.body.hidden = this.foot.hidden = false;
      this.foot.querySelector("[aria-label=Edit]")?.focus();
    };
    const send = () => {
      const text = area.value;
      if (!text.trim() && !this.node.files?.length) return;
      if (this.actions.edit(this.node, text)) close();
    };
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { event.stopPropagation(); close(); }
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
    });
    this.editor = make("div", { className: "editor" }, area, make("div", { className: "choices end" },
      make("button", { type: "button", click: close }, "Cancel"),
      make("button", { type: "button", className: "main", click: send }, "Send")));
    this.body.hidden = this.foot.hidden = true;
    this.body.after(this.editor);
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
  }
}

/** A file's chip in the composer. */
export function fileChip(file, remove) {
  return make("li", {}, file.name, make("button", { type: "button", className: "icon", "aria-label": `Remove ${file.name}`, click: remove }, icon("close")));
}
