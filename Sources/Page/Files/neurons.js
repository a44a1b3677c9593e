// The live view of the neurons: which fired for each token of the latest answer, layer by layer, from /v1/activity.
import { $, iconButton, make } from "./dom.js";
import { events, request } from "./api.js";

const mostTokens = 2048; // of an answer, that are kept
const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}\u00a0%`;

export class Neurons {
  #answer = null; // {id, pieces: [span], tokens: [event]}
  #waiting = []; // events of answers whose id is not known yet
  #chosen = -1; // index of the token that is looked at; -1 the latest
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
    this.strip.addEventListener("pointerover", (event) => this.#choose(event.target));
    this.strip.addEventListener("click", (event) => this.#choose(event.target));
    this.strip.addEventListener("pointerleave", () => this.#pick(-1));
    this.strip.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step || !this.#answer) return;
      event.preventDefault();
      const last = this.#answer.pieces.length - 1;
      const from = this.#chosen < 0 ? last : this.#chosen;
      this.#pick(Math.min(last, Math.max(0, from + step)));
      this.#answer.pieces[this.#chosen]?.scrollIntoView({ block: "nearest" });
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

  begin(id) {
    this.#answer = { id, pieces: [], tokens: this.#waiting.filter((event) => event.id === id) };
    this.#waiting = [];
    this.#chosen = -1;
    this.strip.replaceChildren();
    this.strip.hidden = true;
  }

  text(id, text) {
    const answer = this.#answer;
    if (!answer || answer.id !== id || answer.pieces.length >= mostTokens) return;
    const span = make("span", { role: "option", id: `token-${answer.pieces.length}`, "aria-selected": "false", "aria-label": text.trim() ? undefined : "space" }, text);
    answer.pieces.push(span);
    this.strip.append(span);
    if (this.isOpen) this.strip.hidden = false;
  }

  end(id) {
    if (this.#answer?.id === id) this.#draw();
  }

  // MARK: Looking

  #choose(target) {
    if (target.getAttribute("role") === "option") this.#pick(this.#answer?.pieces.indexOf(target) ?? -1);
  }

  #pick(index) {
    const pieces = this.#answer?.pieces ?? [];
    pieces[this.#chosen]?.setAttribute("aria-selected", "false");
    this.#chosen = index;
    pieces[index]?.setAttribute("aria-selected", "true");
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
    this.note.textContent = this.#chosen < 0 ? "The latest token." : `The token “${this.#answer.pieces[this.#chosen].textContent.trim() || "␣"}”.`;
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
