// The page: one conversation at a time, and the answers that are coming.
import { $, announce, ask, download, make, notify } from "./dom.js";
import { APIError, chat, key, models } from "./api.js";
import { MessageList, fileChip } from "./messages.js";
import { Neurons } from "./neurons.js";
import { Settings, applyTheme, sampling, sayWhetherSaved } from "./settings.js";
import { Sidebar } from "./sidebar.js";
import { Store } from "./store.js";
import { add, newConversation, path, titleOf, wireMessages } from "./tree.js";

const examples = [
  "What is the capital of France?",
  "Explain in three sentences why the sky is blue.",
  "Write a short poem about the sea.",
];
const mostFileBytes = 2_000_000;

const store = new Store();
store.load();

let conversation = newConversation(store.settings.system);
let files = [];
/** Whether the page is being left, which cuts its answers off. */
let isLeaving = false;
/** Answers that are coming, by conversation. */
const running = new Map();

const list = new MessageList($("messages"), {
  isRunning: (node) => [...running.values()].some((run) => run.node === node),
  retry: (node) => { if (isFree()) answer(node.role === "user" ? node.id : node.parent); },
  edit: (node, text) => {
    if (!isFree()) return false;
    const edited = add(conversation, node.parent, { role: "user", text, ...(node.files ? { files: node.files } : {}) });
    answer(edited.id);
    return true;
  },
  pick: (node) => {
    conversation.picked[node.parent] = node.id;
    save(conversation);
    show();
  },
});

/** Whether an answer can be asked for; says so where one is coming. */
function isFree() {
  if (running.has(conversation.id)) notify("An answer is coming; stop it first.");
  return !running.has(conversation.id);
}

const sidebar = new Sidebar(store, {
  open,
  renamed: (renamed) => { save(renamed); show(); },
  remove: (id) => {
    running.get(id)?.controller.abort();
    running.delete(id);
    store.remove(id);
    sayWhetherSaved(store.saveRest());
    if (id === conversation.id) begin();
    else sidebar.show();
  },
});
const settings = new Settings(store, {
  changed: connect,
  current: () => conversation,
  system: (text) => {
    conversation.system = store.settings.system = text;
    store.saveSettings();
    if (store.conversations.has(conversation.id)) save(conversation);
  },
  replaced: () => {
    for (const [id, run] of running) if (!store.conversations.has(id)) { run.controller.abort(); running.delete(id); }
    if (store.conversations.has(conversation.id) || path(conversation).length === 0) show();
    else begin();
  },
});
const neurons = new Neurons(store);

// MARK: Conversations

function save(changed) {
  if (store.save(changed)) store.saveRest();
  sayWhetherSaved(store.unsaved.size === 0, () => download("conversation.json", store.exportOne(changed)));
}

function begin() {
  conversation = newConversation(store.settings.system);
  history.replaceState(null, "", "/");
  show();
  $("input").focus();
}

function open(id) {
  const found = store.conversations.get(id);
  if (!found) return;
  conversation = found;
  history.replaceState(null, "", `/#${id}`);
  show();
  scrollToEnd();
}

function show() {
  const messages = path(conversation);
  list.show(messages);
  const title = titleOf(conversation);
  $("title").textContent = title;
  document.title = messages.length ? `${title} · powerinfer` : "powerinfer";
  $("welcome").hidden = messages.length > 0;
  const isRunning = running.has(conversation.id);
  $("send").hidden = isRunning;
  $("stop").hidden = !isRunning;
  sidebar.show(conversation.id);
  follow();
}

store.addEventListener("conversation", ({ detail: id }) => {
  const isGone = !store.conversations.has(id);
  if (isGone) {
    running.get(id)?.controller.abort();
    running.delete(id);
  }
  if (id === conversation.id && isGone && path(conversation).length > 0) {
    notify("This conversation was deleted in another tab.");
    begin();
  } else if (id === conversation.id) {
    conversation = store.conversations.get(id) ?? conversation;
    show();
  } else {
    sidebar.show();
  }
});
store.addEventListener("settings", () => applyTheme(store.settings.theme));

// MARK: Scrolling

let isAtEnd = true;
const scroller = $("scroll");

scroller.addEventListener("scroll", () => {
  isAtEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;
  $("to-end").hidden = isAtEnd;
}, { passive: true });
$("to-end").addEventListener("click", scrollToEnd);

function scrollToEnd() {
  isAtEnd = true;
  follow();
}

/** Stays at the end where the reader is. */
function follow() {
  if (isAtEnd) scroller.scrollTop = scroller.scrollHeight;
}

// Pointing at an answer's text shows the neurons of its tokens.
$("messages").addEventListener("pointermove", (event) => neurons.point(event, list.viewAt(event.target)), { passive: true });
$("messages").addEventListener("pointerleave", () => neurons.point(null));

// MARK: Answers

async function answer(userID) {
  if (running.has(conversation.id)) return;
  const here = conversation;
  const messages = wireMessages(here, userID);
  const node = add(here, userID, { role: "assistant", text: "", model: $("model").value });
  const run = { node, controller: new AbortController() };
  running.set(here.id, run);
  save(here);
  isAtEnd = true;
  show();
  announce("The model is answering.");

  let [first, pieces, savedAt, saveCost] = [0, 0, performance.now(), 0];
  const takePiece = ({ text, thought }) => {
    first ||= performance.now();
    pieces += 1;
    node.text += text;
    if (thought) node.thought = (node.thought ?? "") + thought;
    neurons.piece(run.id, text, thought);
    const now = performance.now();
    // A reload in the middle of an answer loses little of it.
    if (now - savedAt > Math.max(1500, 20 * saveCost) && running.get(here.id) === run) {
      save(here);
      savedAt = performance.now();
      saveCost = savedAt - now;
    }
    const view = list.view(node);
    if (!view) return;
    view.grow(follow);
    if (now - first > 500) view.progress(`${((pieces - 1) / (now - first) * 1000).toFixed(1)} tokens per second`);
  };
  try {
    const body = { messages, ...sampling(store.settings.sampling) };
    if ($("model").value) body.model = $("model").value;
    const result = await patiently(run.controller.signal, () => chat(body, {
      signal: run.controller.signal, onPiece: takePiece,
      onStart: (id) => { run.id = id; neurons.begin(id, node); },
    }));
    node.finish = result.finish || "stop";
    if (result.tokens) node.tokens = result.tokens;
  } catch (error) {
    if (error.name === "AbortError") {
      node.finish = "stopped";
    } else if (!isLeaving) {
      node.error = error instanceof APIError ? error.message : "The page failed to show the answer.";
      node.finish = "error";
      if (!(error instanceof APIError)) console.error(error);
    }
  }
  if (first) node.seconds = (performance.now() - first) / 1000;
  node.tokens ??= pieces;
  // Deleted meanwhile: it does not come back.
  if (running.get(here.id) !== run) return;
  running.delete(here.id);
  save(here);
  neurons.end(run.id);
  if (here === conversation) {
    list.view(node)?.draw();
    show();
    if (!node.error) announce(node.finish === "stopped" ? "Stopped." : "The answer is complete.");
  } else {
    sidebar.show();
  }
}

/** Waits for a model that is being loaded, and asks for a key that is missing. */
async function patiently(signal, body) {
  for (;;) {
    try {
      return await body();
    } catch (error) {
      if (error.status === 401) {
        if (!(await askForKey())) throw error;
      } else if (error.status === 503) {
        announce("The model is being loaded.");
        await new Promise((resolve) => setTimeout(resolve, 1000));
      } else {
        throw error;
      }
      signal?.throwIfAborted();
    }
  }
}

let asking = null;

function askForKey() {
  asking ??= (async () => {
    const secret = await ask({ title: "API key", text: "The server asks for a key. It is kept until this tab is closed.", yes: "Use", value: "", secret: true });
    asking = null;
    if (!secret?.trim()) return false;
    key.set(secret.trim());
    return true;
  })();
  return asking;
}

// MARK: The composer

const input = $("input");

function fit() {
  input.style.height = "auto";
  input.style.height = `${Math.min(input.scrollHeight, 240)}px`;
}

input.addEventListener("input", fit);
input.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("composer").requestSubmit();
  }
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  if (running.has(conversation.id)) return;
  const text = input.value.trim();
  if (!text && files.length === 0) return;
  const parent = path(conversation).at(-1)?.node.id ?? "";
  const node = add(conversation, parent, { role: "user", text, ...(files.length ? { files } : {}) });
  input.value = "";
  files = [];
  showFiles();
  fit();
  history.replaceState(null, "", `/#${conversation.id}`);
  answer(node.id);
});
$("stop").addEventListener("click", stop);

function stop() {
  running.get(conversation.id)?.controller.abort();
  input.focus();
}

for (const text of examples) {
  $("examples").append(make("button", { type: "button", click: () => { input.value = text; $("composer").requestSubmit(); } }, text));
}

// MARK: Files

$("attach").addEventListener("click", () => $("file-picker").click());
$("file-picker").addEventListener("change", async () => {
  await attach([...$("file-picker").files]);
  $("file-picker").value = "";
});
document.addEventListener("dragover", (event) => {
  if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  if (!event.dataTransfer?.files.length) return;
  event.preventDefault();
  attach([...event.dataTransfer.files]);
});
input.addEventListener("paste", (event) => {
  if (!event.clipboardData?.files.length) return;
  event.preventDefault();
  attach([...event.clipboardData.files]);
});

async function attach(added) {
  for (const file of added) {
    const total = files.reduce((sum, one) => sum + one.text.length, 0);
    if (file.size + total > mostFileBytes) {
      notify(`${file.name} is too large: files may have ${mostFileBytes / 1e6} MB together.`);
      continue;
    }
    try {
      const text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
      if (text.includes("\0")) throw new TypeError("no text");
      files.push({ name: file.name, text });
    } catch {
      notify(`${file.name} is not a text file.`);
    }
  }
  showFiles();
  input.focus();
}

function showFiles() {
  $("files").replaceChildren(...files.map((file) => fileChip(file, () => {
    files = files.filter((one) => one !== file);
    showFiles();
    input.focus();
  })));
}

// MARK: The server

async function connect() {
  try {
    const names = await patiently(null, models);
    const chosen = names.includes(store.settings.model) ? store.settings.model : names[0] ?? "";
    $("model").replaceChildren(...names.map((name) => make("option", { value: name, selected: name === chosen }, name)));
    $("model").hidden = names.length < 2;
    $("model-name").textContent = names.length === 1 ? names[0] : "";
    announce("Connected.");
  } catch (error) {
    notify(error.status === 401 ? "The server needs an API key, which the settings have a field for." : error.message, { label: "Try again", action: connect });
  }
}

$("model").addEventListener("change", () => {
  store.settings.model = $("model").value;
  store.saveSettings();
});

// MARK: Keys

document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Escape" && running.has(conversation.id)) stop();
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); sidebar.search(); }
  if (event.code === "KeyN" && event.altKey && !event.ctrlKey) { event.preventDefault(); begin(); }
});
$("new").addEventListener("click", () => { begin(); sidebar.close(); input.focus(); });
addEventListener("pageshow", () => { isLeaving = false; });
addEventListener("pagehide", () => { isLeaving = true; for (const id of running.keys()) { const one = store.conversations.get(id); if (one) store.save(one); } });
addEventListener("hashchange", () => open(location.hash.slice(1)));

// MARK: The beginning

if (!store.isAvailable) notify("The browser keeps nothing for this page: conversations are lost when it is closed.");
if (store.damaged.length > 0) {
  notify(`${store.damaged.length === 1 ? "A saved conversation" : `${store.damaged.length} saved conversations`} cannot be read. What is left is kept, and can be saved as a file.`, {
    label: "Save", action: () => download("conversations.json", store.exportAll()),
  });
}
const wanted = store.conversations.get(location.hash.slice(1));
if (wanted) {
  conversation = wanted;
  show();
  scrollToEnd();
} else {
  show();
}
input.focus();
connect();
