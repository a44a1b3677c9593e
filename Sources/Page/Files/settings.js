// The settings: colours, system prompt, sampling, key, and all conversations at once.
import { $, announce, ask, clearNotice, download, make, notify } from "./dom.js";
import { key } from "./api.js";

const fields = [
  { name: "temperature", label: "Temperature", min: 0, max: 2, step: 0.05 },
  { name: "top_p", label: "Top p", min: 0, max: 1, step: 0.01 },
  { name: "top_k", label: "Top k", min: 0, max: 1000, step: 1 },
  { name: "min_p", label: "Min p", min: 0, max: 1, step: 0.01 },
  { name: "repeat_penalty", label: "Repeat penalty", min: 0.5, max: 2, step: 0.05 },
  { name: "max_tokens", label: "Max tokens", min: 1, max: 1_000_000, step: 1 },
  { name: "seed", label: "Seed", min: 0, max: 2 ** 32 - 1, step: 1 },
];

/** What of stored settings a request may say. */
export function sampling(stored) {
  const result = {};
  for (const { name, min, max, step } of fields) {
    const value = stored[name];
    if (Number.isFinite(value) && value >= min && value <= max && (step !== 1 || Number.isInteger(value))) result[name] = value;
  }
  return result;
}

export function applyTheme(theme) {
  const isDark = theme === "dark" || (theme === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
  $("toggle-theme").setAttribute("aria-pressed", String(isDark));
  return isDark;
}

export class Settings {
  /** `actions`: changed(), system(text), current() → conversation, replaced(). */
  constructor(store, actions) {
    this.store = store;
    this.actions = actions;
    const apply = () => applyTheme(store.settings.theme);
    apply();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
    $("toggle-theme").addEventListener("click", () => this.#setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
    $("open-settings").addEventListener("click", () => this.open());
    for (const field of fields) {
      const input = make("input", { type: "number", id: `set-${field.name}`, min: field.min, max: field.max, step: field.step, placeholder: "default", inputMode: "decimal" });
      input.addEventListener("change", () => this.#setSampling(field, input));
      $("sampling").append(make("label", { htmlFor: input.id }, field.label, input));
    }
    for (const radio of document.getElementsByName("theme")) radio.addEventListener("change", () => this.#setTheme(radio.value));
    $("system").addEventListener("change", () => actions.system($("system").value));
    $("key").addEventListener("change", () => { key.set($("key").value.trim()); actions.changed(); });
    $("export-all").addEventListener("click", () => download("conversations.json", store.exportAll()));
    $("import").addEventListener("click", () => $("import-picker").click());
    $("import-picker").addEventListener("change", () => this.#import());
    $("delete-all").addEventListener("click", () => this.#deleteAll());
    // A field that still has the focus has not said that it changed.
    $("settings").addEventListener("close", () => document.activeElement?.blur?.());
  }

  open() {
    const { settings } = this.store;
    $("system").value = this.actions.current().system;
    $("key").value = key.get();
    for (const { name } of fields) {
      const input = $(`set-${name}`);
      input.value = Number.isFinite(settings.sampling[name]) ? String(settings.sampling[name]) : "";
      input.removeAttribute("aria-invalid");
    }
    $("sampling-error").hidden = true;
    for (const radio of document.getElementsByName("theme")) radio.checked = radio.value === settings.theme;
    this.#showSize();
    $("settings").showModal();
  }

  #showSize() {
    const count = this.store.conversations.size;
    const kilobytes = Math.ceil((this.store.size * 2) / 1000);
    $("storage").textContent = `${count} ${count === 1 ? "conversation" : "conversations"}, ${kilobytes} kB in this browser.`;
  }

  #setTheme(theme) {
    this.store.settings.theme = theme;
    this.store.saveSettings();
    announce(applyTheme(theme) ? "Dark colours." : "Light colours.");
  }

  #setSampling(field, input) {
    const text = input.value.trim();
    const value = Number(text);
    const isValid = text === "" ? !input.validity.badInput : field.name in sampling({ [field.name]: value });
    input.toggleAttribute("aria-invalid", !isValid);
    if (!isValid) input.setAttribute("aria-invalid", "true");
    $("sampling-error").hidden = isValid;
    $("sampling-error").textContent = isValid ? "" : `${field.label} must be ${field.step === 1 ? "a whole number" : "a number"} from ${field.min} to ${field.max}.`;
    if (!isValid) return;
    if (text === "") delete this.store.settings.sampling[field.name];
    else this.store.settings.sampling[field.name] = value;
    this.store.saveSettings();
  }

  async #import() {
    const [picker] = [$("import-picker")];
    const [file] = picker.files;
    picker.value = "";
    if (!file) return;
    $("settings").close();
    try {
      const { count, isSaved } = this.store.importAll(await file.text());
      announce(`${count} conversations imported.`);
      if (!isSaved) notify("The browser's storage is full: not all imported conversations are kept after this page is closed.");
    } catch (error) {
      notify(`The file cannot be imported. ${error.message}`);
    }
    this.actions.replaced();
  }

  async #deleteAll() {
    $("settings").close();
    const count = this.store.conversations.size;
    if (!(await ask({ title: "Delete all conversations?", text: `${count} of them are in this browser. They cannot be brought back.`, yes: "Delete all" }))) return;
    for (const id of [...this.store.conversations.keys()]) this.store.remove(id);
    this.store.removeDamaged();
    $("notices").replaceChildren();
    this.actions.replaced();
  }
}

export const fullNotice = "The browser's storage is full: this conversation is kept only until the page is closed. Export it, or delete others.";

/** Says whether everything is saved. */
export function sayWhetherSaved(isSaved, exportIt) {
  if (isSaved) clearNotice(fullNotice);
  else notify(fullNotice, { label: "Export", action: exportIt });
}
