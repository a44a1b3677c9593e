// The live view of the neurons: which fired for each token of the latest answer, layer by layer, from /v1/activity.
import { $, iconButton, make } from "./dom.js";
import { align, letterAt } from "./alignment.js";
import { events, request } from "./api.js";

const mostTokens = 2048; // of an answer, that are kept
const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}\u00a0%`;

export class Neurons {
  #answer = null; // {id, node, pieces: [{span, textEnd, thoughtEnd}], tokens: [event]}
  #waiting = []; // events of answers whose id is not known yet
  #chosen = -1; // index of the token that is looked at; -1 the latest
  #isPointed = false; // whether that is because of what the pointer is on in the answer
  #aligned = null; // {element, length, places} of the text that the pointer is on
  #pointer = null; // where it was last seen over the tokens
  #resting = null; // where it was when a key chose a token, until it moves
  #controller = null;
  #frame = 0;

  constructor(store) {
    this.store = store;
    $("toggle-neurons").addEventListener("click", () => this.toggle());
    this.#build();
    // Browsers allow few connections at a time, and nobody looks at a page that is hidden.
    document.addEventListener("visibilitychange", () => {
      if (!this.isOpen) return;
      if (document.hidden) this.#controller?.abort();
      else this.#listen();
    });
    if (store.settings.neurons && matchMedia("(min-width: 1200px)").matches) this.toggle(true);
  }

  get isOpen() { return !$("neurons").hidden; }

  toggle(isOpen = !this.isOpen) {
    $("neurons").hidden = !isOpen;
    document.body.classList.toggle("with-neurons", isOpen);
    $("toggle-neurons").setAttribute("aria-expanded", String(isOpen));
    this.store.settings.neurons = isOpen;
    this.store.saveSettings();
    if (isOpen) this.#listen();
    else this.#controller?.abort();
  }

  #build() {
    this.canvas = make("canvas", { role: "img", "aria-label": "No neurons yet" });
    this.marks = make("p", { className: "marks small quiet", "aria-hidden": "true" }, make("span", {}, "hot"), make("span", {}, "cold"));
    this.note = make("p", { className: "quiet small" }, "Ask something to see its neurons.");
    this.figures = make("dl", { className: "figures" });
    this.strip = make("div", { className: "strip", tabIndex: 0, role: "listbox", "aria-label": "Tokens of the answer", hidden: true });
    this.strip.addEventListener("pointerover", (event) => { if (this.#hasMoved(event)) this.#choose(event.target); });
    this.strip.addEventListener("pointermove", (event) => this.#hasMoved(event));
    this.strip.addEventListener("click", (event) => this.#choose(event.target));
    this.strip.addEventListener("pointerleave", (event) => {
      if (!this.#hasMoved(event)) return;
      this.#isPointed = false;
      this.#pick(-1);
    });
    this.strip.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step || !this.#answer) return;
      event.preventDefault();
      this.#isPointed = false;
      this.#resting = this.#pointer;
      const last = this.#answer.pieces.length - 1;
      const from = this.#chosen < 0 ? last : this.#chosen;
      this.#pick(Math.min(last, Math.max(0, from + step)));
      this.#answer.pieces[this.#chosen]?.span.scrollIntoView({ block: "nearest" });
    });
    $("neurons").append(
      make("div", { className: "bar" }, make("h2", {}, "Neurons"), iconButton("close", "Close the neurons", () => { this.toggle(false); $("toggle-neurons").focus(); })),
      make("p", { className: "quiet small" }, "A row is a layer. Its neurons stand from those that fired most so far to those that fired least; the stronger the colour, the more of them fire."),
      this.marks, this.canvas, this.note, this.figures, this.strip);
  }

  // MARK: What comes from the server

  async #listen() {
    this.#controller?.abort();
    const controller = new AbortController();
    this.#controller = controller;
    while (!controller.signal.aborted) {
      try {
        const reply = await request("/v1/activity", { signal: controller.signal });
        await events(reply, (name, data) => {
          if (controller.signal.aborted) return false;
          this.#take(name, JSON.parse(data));
          return true;
        });
      } catch (error) {
        if (controller.signal.aborted) return;
        if (error.status === 404) {
          this.note.textContent = "This server does not tell what its neurons do.";
          return;
        }
        this.note.textContent = error.message;
      }
      await new Promise((resolve) => setTimeout(resolve, 3000));
    }
  }

  #take(name, event) {
    if (name === "model" && !event.counts) {
      this.note.textContent = `${event.model} does not run on the processor alone, and neurons are counted nowhere else.`;
    }
    if (name !== "token" || event.choice !== 0) return;
    event.cells = Uint8Array.from(atob(event.cells), (character) => character.charCodeAt(0));
    if (event.cells.length !== event.layers * event.groups) return;
    if (event.id === this.#answer?.id) {
      if (this.#answer.tokens.length < mostTokens) this.#answer.tokens.push(event);
      this.#draw();
    } else {
      this.#waiting.push(event);
      if (this.#waiting.length > 256) this.#waiting.shift();
    }
  }

  // MARK: What comes from the answer

  begin(id, node) {
    this.#answer = { id, node, pieces: [], tokens: this.#waiting.filter((event) => event.id === id) };
    this.#waiting = [];
    [this.#chosen, this.#isPointed, this.#aligned] = [-1, false, null];
    globalThis.CSS?.highlights?.delete("token");
    this.strip.replaceChildren();
    this.strip.hidden = true;
  }

  piece(id, said, thought) {
    const answer = this.#answer;
    if (!answer || answer.id !== id || answer.pieces.length >= mostTokens) return;
    const text = thought + said;
    const before = answer.pieces.at(-1);
    const span = make("span", { role: "option", id: `token-${answer.pieces.length}`, "aria-selected": "false", "aria-label": text.trim() ? undefined : "space" }, text);
    answer.pieces.push({ span, textEnd: (before?.textEnd ?? 0) + said.length, thoughtEnd: (before?.thoughtEnd ?? 0) + thought.length });
    this.strip.append(span);
    if (this.isOpen) this.strip.hidden = false;
  }

  end(id) {
    if (this.#answer?.id === id) this.#draw();
  }

  // MARK: Looking

  /** Whether the pointer has moved since a key chose a token: what moves beneath a pointer that rests chooses nothing. */
  #hasMoved({ screenX, screenY }) {
    this.#pointer = `${screenX} ${screenY}`;
    if (this.#pointer === this.#resting) return false;
    this.#resting = null;
    return true;
  }

  #choose(target) {
    if (target.getAttribute("role") !== "option") return;
    this.#isPointed = false;
    this.#pick(this.#answer?.pieces.findIndex(({ span }) => span === target) ?? -1);
  }

  /** Chooses the token whose text the pointer is on in the answer; `view` is the message that it is on. */
  point(event, view) {
    if (!this.isOpen || !this.#answer?.tokens.length) return;
    const isHere = event && view?.node === this.#answer.node;
    const index = isHere ? this.#pieceAt(event, view) : -1;
    if (index === this.#chosen || (index < 0 && !this.#isPointed)) return;
    this.#isPointed = index >= 0;
    this.#pick(index);
    this.#answer.pieces[index]?.span.scrollIntoView({ block: "nearest" });
  }

  #pieceAt(event, view) {
    const letter = letterAt(event.clientX, event.clientY);
    const element = [view.body, view.thoughts].find((one) => letter && one.contains(letter.node));
    if (!element) return -1;
    const { pieces, node } = this.#answer;
    const [source, end] = element === view.body ? [node.text, "textEnd"] : [node.thought ?? "", "thoughtEnd"];
    if (this.#aligned?.element !== element || this.#aligned.length !== source.length || !this.#aligned.places.has(letter.node)) {
      // Tokens are kept of an answer's beginning alone.
      this.#aligned = { element, length: source.length, places: align(element, source.slice(0, pieces.at(-1)?.[end] ?? 0)) };
    }
    const place = this.#aligned.places.get(letter.node)?.find(({ from, to }) => letter.offset >= from && letter.offset < to);
    if (!place) return -1;
    const at = place.at + letter.offset - place.from;
    const index = pieces.findIndex((piece) => piece[end] > at);
    this.#mark(index, element, end);
    return index;
  }

  /** Marks a token in the answer, where browsers can. */
  #mark(index, element, end) {
    if (!globalThis.Highlight) return;
    const { pieces } = this.#answer;
    const [from, to] = [pieces[index - 1]?.[end] ?? 0, pieces[index]?.[end] ?? 0];
    const ranges = [];
    for (const [node, parts] of this.#aligned.places) {
      for (const part of parts) {
        const [begin, stop] = [Math.max(from, part.at), Math.min(to, part.at + part.to - part.from)];
        if (begin >= stop || !node.isConnected) continue;
        const range = document.createRange();
        range.setStart(node, part.from + begin - part.at);
        range.setEnd(node, part.from + stop - part.at);
        ranges.push(range);
      }
    }
    CSS.highlights.set("token", new Highlight(...ranges));
  }

  #pick(index) {
    const pieces = this.#answer?.pieces ?? [];
    pieces[this.#chosen]?.span.setAttribute("aria-selected", "false");
    this.#chosen = index;
    pieces[index]?.span.setAttribute("aria-selected", "true");
    if (!this.#isPointed) globalThis.CSS?.highlights?.delete("token");
    if (index >= 0) this.strip.setAttribute("aria-activedescendant", `token-${index}`);
    else this.strip.removeAttribute("aria-activedescendant");
    this.#draw();
  }

  #draw() {
    if (!this.isOpen || this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint();
    });
  }

  #paint() {
    const tokens = this.#answer?.tokens ?? [];
    const token = this.#chosen < 0 ? tokens.at(-1) : tokens.findLast((one) => one.piece === this.#chosen);
    this.strip.hidden = tokens.length === 0;
    if (!token) return;
    const { layers, groups, hot_groups: hot } = token;
    this.#map(token, layers, groups);
    this.marks.style.setProperty("--hot", `${(100 * hot) / groups}%`);
    this.note.textContent = this.#chosen < 0 ? "The latest token." : `The token “${this.#answer.pieces[this.#chosen].span.textContent.trim() || "␣"}”.`;
    const pass = token.pass_ms;
    const rows = [
      ["Neurons that fired", percent(token.active)],
      [`Of these, among the hottest ${percent(hot / groups)}`, token.hit_rate === null ? "–" : percent(token.hit_rate)],
      ["Time of the token", `${pass.toFixed(1)} ms`],
      ["of it in feed-forward layers", percent(Math.min(1, token.feed_forward_ms / pass))],
      ["Tokens per second", token.tokens_per_second ? token.tokens_per_second.toFixed(1) : "–"],
    ];
    this.figures.replaceChildren(...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
    this.canvas.setAttribute("aria-label", `${layers} layers of ${groups} groups of neurons; ${percent(token.active)} of the neurons fired.`);
  }

  #map(token, layers, groups) {
    const [width, height] = [groups, layers];
    if (this.canvas.width !== width || this.canvas.height !== height) [this.canvas.width, this.canvas.height] = [width, height];
    const context = this.canvas.getContext("2d");
    const picture = context.createImageData(width, height);
    const stops = document.documentElement.dataset.theme === "dark"
      ? [[24, 32, 31], [17, 128, 117], [250, 214, 92]] : [[232, 236, 234], [45, 150, 138], [122, 45, 10]];
    for (let i = 0; i < token.cells.length; i += 1) {
      // Small shares are what there is most of.
      const level = Math.sqrt(token.cells[i] / 255) * 2;
      const [from, to, part] = level < 1 ? [stops[0], stops[1], level] : [stops[1], stops[2], level - 1];
      for (let c = 0; c < 3; c += 1) picture.data[4 * i + c] = from[c] + (to[c] - from[c]) * part;
      picture.data[4 * i + 3] = 255;
    }
    context.putImageData(picture, 0, 0);
  }
}
