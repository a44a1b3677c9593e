// What the browser keeps: conversations, each under a key of its own, and settings.
import { merge, readConversation } from "./tree.js";

const chatPrefix = "powerinfer.chat.";
const damagedPrefix = "powerinfer.damaged.";
const settingsKey = "powerinfer.settings";

export const defaults = { theme: "system", system: "", model: "", sampling: {}, neurons: false };

export class Store extends EventTarget {
  /** By id. */
  conversations = new Map();
  /** Those that could not be saved. */
  unsaved = new Set();
  settings = structuredClone(defaults);
  /** Keys of conversations that could not be read; they are kept as they are. */
  damaged = [];
  /** False where the browser keeps nothing for this page. */
  isAvailable = true;

  load() {
    try {
      for (const key of Object.keys(localStorage)) {
        if (key.startsWith(chatPrefix)) this.#take(key, localStorage.getItem(key));
        if (key.startsWith(damagedPrefix)) this.damaged.push(key);
      }
      this.settings = this.#readSettings(localStorage.getItem(settingsKey));
    } catch {
      this.isAvailable = false;
    }
    addEventListener("storage", (event) => this.#changedElsewhere(event));
  }

  #take(key, text) {
    try {
      const conversation = readConversation(JSON.parse(text));
      if (chatPrefix + conversation.id !== key) throw new Error("This is another conversation.");
      this.conversations.set(conversation.id, conversation);
      return conversation;
    } catch {
      this.#setAside(key, text);
      return null;
    }
  }

  // Out of the way of a new one of that name, but not lost.
  #setAside(key, text) {
    const name = damagedPrefix + key.slice(chatPrefix.length);
    try {
      localStorage.removeItem(key);
      localStorage.setItem(name, text);
      this.damaged.push(name);
    } catch {
      this.damaged.push(key);
    }
  }

  #readSettings(text) {
    const settings = structuredClone(defaults);
    try {
      const read = JSON.parse(text ?? "{}");
      for (const key of Object.keys(defaults)) if (typeof read[key] === typeof defaults[key] && read[key] !== null) settings[key] = read[key];
      if (!["system", "light", "dark"].includes(settings.theme)) settings.theme = "system";
    } catch {
      // Settings that cannot be read are those of a first visit.
    }
    return settings;
  }

  // The same page in another tab has written something.
  #changedElsewhere({ key, newValue }) {
    if (key === settingsKey) {
      this.settings = this.#readSettings(newValue);
      this.dispatchEvent(new Event("settings"));
    } else if (key?.startsWith(chatPrefix)) {
      const id = key.slice(chatPrefix.length);
      if (newValue === null) {
        this.conversations.delete(id);
      } else {
        const mine = this.conversations.get(id);
        let read;
        try {
          read = readConversation(JSON.parse(newValue));
        } catch {
          return;
        }
        if (mine) {
          // Object identity stays: an answer may be arriving in it.
          merge(mine, read);
          if (read.changed > mine.changed) [mine.title, mine.system, mine.changed] = [read.title, read.system, read.changed];
        } else {
          this.conversations.set(id, read);
        }
      }
      this.dispatchEvent(new CustomEvent("conversation", { detail: id }));
    }
  }

  saveSettings() {
    try {
      localStorage.setItem(settingsKey, JSON.stringify(this.settings));
    } catch {
      // They hold for this visit.
    }
  }

  /** Saves a conversation with whatever another tab has added to it. Returns whether it is saved. */
  save(conversation) {
    this.conversations.set(conversation.id, conversation);
    const key = chatPrefix + conversation.id;
    try {
      const stored = localStorage.getItem(key);
      if (stored !== null) {
        try {
          merge(conversation, readConversation(JSON.parse(stored)));
        } catch {
          this.#setAside(key, stored);
        }
      }
      localStorage.setItem(key, JSON.stringify(conversation));
      this.unsaved.delete(conversation.id);
      return true;
    } catch {
      this.unsaved.add(conversation.id);
      return false;
    }
  }

  /** Tries again to save what could not be. Returns whether all is saved. */
  saveRest() {
    for (const id of [...this.unsaved]) {
      const conversation = this.conversations.get(id);
      if (conversation) this.save(conversation);
      else this.unsaved.delete(id);
    }
    return this.unsaved.size === 0;
  }

  remove(id) {
    this.conversations.delete(id);
    this.unsaved.delete(id);
    try {
      localStorage.removeItem(chatPrefix + id);
    } catch {
      // Then there is nothing to remove.
    }
  }

  removeDamaged() {
    for (const key of this.damaged) {
      try {
        localStorage.removeItem(key);
      } catch {
        // Then there is nothing to remove.
      }
    }
    this.damaged = [];
  }

  /** Newest first. */
  get list() { return [...this.conversations.values()].sort((a, b) => b.changed - a.changed); }

  /** Everything, as a file. */
  exportAll() {
    const damaged = {};
    for (const key of this.damaged) damaged[key] = localStorage.getItem(key);
    return JSON.stringify({ format: "powerinfer-conversations", version: 1, conversations: this.list, damaged }, null, 1);
  }

  exportOne(conversation) {
    return JSON.stringify({ format: "powerinfer-conversations", version: 1, conversations: [conversation] }, null, 1);
  }

  /** Takes over what such a file has. Returns how many conversations it had, and whether all are saved. Throws where it is no such file. */
  importAll(text) {
    let file;
    try {
      file = JSON.parse(text);
    } catch {
      throw new Error("The file is not JSON.");
    }
    if (file?.format !== "powerinfer-conversations" || !Array.isArray(file.conversations)) {
      throw new Error("The file holds no conversations of this page.");
    }
    // All or none: a file is read before anything of it is taken.
    const read = file.conversations.map(readConversation);
    let isSaved = true;
    for (const conversation of read) {
      const mine = this.conversations.get(conversation.id);
      if (mine) merge(mine, conversation);
      isSaved = this.save(mine ?? conversation) && isSaved;
    }
    return { count: read.length, isSaved };
  }

  /** Characters that the browser keeps for this page. */
  get size() {
    try {
      return Object.keys(localStorage).reduce((sum, key) => sum + key.length + localStorage.getItem(key).length, 0);
    } catch {
      return 0;
    }
  }
}
