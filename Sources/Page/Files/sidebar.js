// The list of conversations.
import { $, ask, download, iconButton, make } from "./dom.js";
import { titleOf } from "./tree.js";

export class Sidebar {
  /** `actions`: open(id), remove(id), renamed(conversation). */
  constructor(store, actions) {
    this.store = store;
    this.actions = actions;
    $("search").addEventListener("input", () => this.show());
    $("open-sidebar").addEventListener("click", () => this.toggle());
    $("close-sidebar").addEventListener("click", () => this.close(true));
    $("shade").addEventListener("click", () => this.close(true));
    $("sidebar").addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.isDrawer) { event.stopPropagation(); this.close(true); }
    });
    const narrow = matchMedia("(max-width: 800px)");
    const follow = () => this.#set(!narrow.matches);
    narrow.addEventListener("change", follow);
    follow();
  }

  get isDrawer() { return matchMedia("(max-width: 800px)").matches; }

  #set(isOpen) {
    document.body.classList.toggle("with-sidebar", isOpen);
    // What is out of sight is out of reach.
    $("sidebar").inert = !isOpen;
    $("shade").hidden = !(isOpen && this.isDrawer);
    $("open-sidebar").setAttribute("aria-expanded", String(isOpen));
    $("open-sidebar").setAttribute("aria-label", isOpen ? "Hide the list of conversations" : "Show the list of conversations");
    document.querySelector("main").inert = isOpen && this.isDrawer;
  }

  toggle() {
    const isOpen = document.body.classList.contains("with-sidebar");
    this.#set(!isOpen);
    if (!isOpen && this.isDrawer) $("close-sidebar").focus();
  }

  /** Puts the drawer of narrow screens away. */
  close(movesFocus = false) {
    if (!this.isDrawer) return;
    this.#set(false);
    if (movesFocus) $("open-sidebar").focus();
  }

  search() {
    this.#set(true);
    $("search").focus();
    $("search").select();
  }

  show(current = this.current) {
    this.current = current;
    const wanted = $("search").value.trim().toLowerCase();
    const found = this.store.list.filter((conversation) => !wanted || matches(conversation, wanted));
    const focused = document.activeElement?.closest?.("#conversations [data-id]")?.dataset.id;
    const focusedLabel = document.activeElement?.getAttribute?.("aria-label");
    $("conversations").replaceChildren(...found.map((conversation) => this.#row(conversation)));
    $("none-found").hidden = found.length > 0 || !wanted;
    if (focused) {
      const row = $("conversations").querySelector(`[data-id="${CSS.escape(focused)}"]`);
      const buttons = [...(row?.querySelectorAll("button") ?? [])];
      (buttons.find((button) => button.getAttribute("aria-label") === focusedLabel) ?? buttons[0])?.focus();
    }
  }

  #row(conversation) {
    const title = titleOf(conversation);
    const isCurrent = conversation.id === this.current;
    const row = make("li", { className: isCurrent ? "current" : "" },
      make("button", { type: "button", className: "open", title, "aria-current": isCurrent ? "page" : undefined, click: () => { this.actions.open(conversation.id); this.close(); } }, title),
      make("span", { className: "tools" },
        iconButton("edit", `Rename ${title}`, () => this.#rename(conversation)),
        iconButton("save", `Export ${title}`, () => download(`${fileName(title)}.json`, this.store.exportOne(conversation))),
        iconButton("remove", `Delete ${title}`, () => this.#remove(conversation))));
    row.dataset.id = conversation.id;
    return row;
  }

  async #rename(conversation) {
    const title = await ask({ title: "Rename the conversation", yes: "Rename", value: titleOf(conversation) });
    if (title === null) return;
    conversation.title = title.trim().slice(0, 200);
    conversation.changed = Date.now();
    this.actions.renamed(conversation);
  }

  async #remove(conversation) {
    if (await ask({ title: "Delete the conversation?", text: `“${titleOf(conversation)}” cannot be brought back.`, yes: "Delete" })) {
      this.actions.remove(conversation.id);
      $("new").focus();
    }
  }
}

const matches = (conversation, wanted) =>
  titleOf(conversation).toLowerCase().includes(wanted)
  || Object.values(conversation.nodes).some((node) => node.text.toLowerCase().includes(wanted));

const fileName = (title) => title.replace(/[^\p{L}\p{N} _-]/gu, "").trim().slice(0, 40) || "conversation";
