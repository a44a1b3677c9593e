// A conversation: a tree of messages, of which one path is shown. Nothing is ever overwritten: an edited message or another try is a
// branch beside the old one.

export const newID = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

// Without prototypes: ids come out of files, too.
export function newConversation(system = "") {
  return { id: newID(), title: "", created: Date.now(), changed: Date.now(), system, nodes: Object.create(null), picked: Object.create(null) };
}

const isText = (value) => typeof value === "string";
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const isName = (value) => isText(value) && /^[0-9a-zA-Z_-]{1,64}$/.test(value);

/** A conversation out of anything, without what does not belong to one. Throws where it is none. */
export function readConversation(value) {
  if (typeof value !== "object" || value === null || !isName(value.id)) throw new Error("This is not a conversation.");
  const result = newConversation(isText(value.system) ? value.system : "");
  result.id = value.id;
  result.title = isText(value.title) ? value.title : "";
  if (isNumber(value.created)) result.created = value.created;
  if (isNumber(value.changed)) result.changed = value.changed;
  const nodes = value.nodes;
  if (typeof nodes !== "object" || nodes === null) throw new Error("This is not a conversation.");
  for (const [id, node] of Object.entries(nodes)) {
    if (!isName(id) || typeof node !== "object" || node === null) continue;
    if (!isText(node.text) || !["user", "assistant"].includes(node.role)) continue;
    const kept = { id, parent: isName(node.parent) ? node.parent : "", role: node.role, text: node.text, created: isNumber(node.created) ? node.created : 0 };
    for (const key of ["finish", "error", "model", "thought"]) if (isText(node[key])) kept[key] = node[key];
    for (const key of ["tokens", "seconds"]) if (isNumber(node[key])) kept[key] = node[key];
    if (Array.isArray(node.files)) {
      kept.files = node.files.filter((file) => file && isText(file.name) && isText(file.text)).map(({ name, text }) => ({ name, text }));
    }
    result.nodes[id] = kept;
  }
  if (typeof value.picked === "object" && value.picked !== null) {
    for (const [parent, child] of Object.entries(value.picked)) if (isText(child)) result.picked[parent] = child;
  }
  return result;
}

export function add(conversation, parent, fields) {
  const node = { id: newID(), parent, created: Date.now(), ...fields };
  conversation.nodes[node.id] = node;
  conversation.picked[parent] = node.id;
  conversation.changed = Date.now();
  return node;
}

/** The branches that go on from a message ("" is the beginning), oldest first. */
export function children(conversation, parent) {
  return Object.values(conversation.nodes).filter((node) => node.parent === parent).sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
}

/** The messages that are shown, with the branches beside each. */
export function path(conversation) {
  const byParent = new Map();
  for (const node of Object.values(conversation.nodes)) {
    if (!byParent.has(node.parent)) byParent.set(node.parent, []);
    byParent.get(node.parent).push(node);
  }
  const result = [];
  const seen = new Set();
  let parent = "";
  // A damaged tree may run in a circle.
  while (!seen.has(parent)) {
    seen.add(parent);
    const branches = (byParent.get(parent) ?? []).sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
    if (branches.length === 0) break;
    const node = branches.find((branch) => branch.id === conversation.picked[parent]) ?? branches.at(-1);
    result.push({ node, branches });
    parent = node.id;
  }
  return result;
}

const lengthOf = (node) => node.text.length + (node.thought?.length ?? 0);

/** What two pages made of one conversation, together. */
export function merge(mine, other) {
  for (const [id, node] of Object.entries(other.nodes)) {
    const own = mine.nodes[id];
    if (!own || lengthOf(node) > lengthOf(own)) mine.nodes[id] = node;
  }
  for (const [parent, child] of Object.entries(other.picked)) mine.picked[parent] ??= child;
}

/** The title, or what stands in its place. */
export function titleOf(conversation) {
  if (conversation.title) return conversation.title;
  const first = path(conversation)[0]?.node;
  const text = (first?.text || first?.files?.[0]?.name || "").trim().split("\n")[0];
  if (!text) return "New conversation";
  const letters = [...text.slice(0, 200)];
  return letters.length > 60 ? letters.slice(0, 60).join("") + "…" : letters.join("");
}

/** A message as the model is sent it. */
export function wireText(node) {
  const files = (node.files ?? []).map(({ name, text }) => {
    // A fence that the file itself does not close.
    const longest = (text.match(/`+/g) ?? []).reduce((most, run) => Math.max(most, run.length), 2);
    const fence = "`".repeat(longest + 1);
    return `File ${name}:\n${fence}\n${text}${text.endsWith("\n") ? "" : "\n"}${fence}`;
  });
  return [...files, node.text].filter((part) => part !== "").join("\n\n");
}

/** The conversation up to a message, itself included, as the API takes it. */
export function wireMessages(conversation, last) {
  const messages = [];
  const seen = new Set();
  for (let node = conversation.nodes[last]; node && !seen.has(node.id); node = conversation.nodes[node.parent]) {
    seen.add(node.id);
    if (node.role === "assistant" && node.text === "") continue;
    messages.unshift({ role: node.role, content: wireText(node), ...(node.thought ? { reasoning_content: node.thought } : {}) });
  }
  if (conversation.system.trim()) messages.unshift({ role: "system", content: conversation.system });
  return messages;
}
