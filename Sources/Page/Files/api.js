// The server behind the page.

/** What the server, or the way to it, made of a request: one sentence, and the status where there is one. */
export class APIError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

const keyName = "powerinfer.key";
let memory = "";

// For as long as the tab is open, and no other tab's.
export const key = {
  get() {
    try { return sessionStorage.getItem(keyName) ?? memory; } catch { return memory; }
  },
  set(value) {
    memory = value;
    try { sessionStorage.setItem(keyName, value); } catch { /* kept in memory */ }
  },
};

export async function request(path, { body, signal, accept } = {}) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (accept) headers.Accept = accept;
  const secret = key.get();
  // Headers hold Latin letters alone; another key is a wrong key.
  if (secret) headers.Authorization = /^[\x21-\x7e]+$/.test(secret) ? `Bearer ${secret}` : "Bearer -";
  let reply;
  try {
    reply = await fetch(path, { method: body === undefined ? "GET" : "POST", headers, body: body === undefined ? undefined : JSON.stringify(body), signal, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new APIError("The server cannot be reached.");
  }
  if (reply.ok) return reply;
  let message = "";
  try {
    const json = await reply.json();
    message = typeof json.error === "string" ? json.error : json.error?.message;
  } catch {
    // No JSON: the status has to do.
  }
  throw new APIError(typeof message === "string" && message ? message : `The server replied with status ${reply.status}.`, reply.status);
}

export async function models() {
  const json = await (await request("/v1/models")).json();
  return Array.isArray(json.data) ? json.data.map((model) => String(model.id)) : [];
}

/** Reads server-sent events: calls `take` with the name and the data of each. */
export async function events(reply, take) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let [rest, name, data] = ["", "", []];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      // A line may come in many pieces, and is searched once.
      const piece = value;
      if (!piece.includes("\n")) { rest += piece; continue; }
      const lines = (rest + piece).split("\n");
      rest = lines.pop();
      for (let line of lines) {
        if (line.endsWith("\r")) line = line.slice(0, -1);
        if (line === "") {
          if (data.length > 0 && take(name, data.join("\n")) === false) return;
          [name, data] = ["", []];
        } else if (line.startsWith("data:")) {
          data.push(line.slice(line[5] === " " ? 6 : 5));
        } else if (line.startsWith("event:")) {
          name = line.slice(6).trim();
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * Asks for an answer.
 *
 * `onPiece` gets its pieces, each with what is said and what is thought, `onStart` the request's id. Resolves to how it ended. Throws APIError; an AbortError where `signal` says so.
 */
export async function chat(body, { signal, onPiece, onStart }) {
  const reply = await request("/v1/chat/completions", {
    body: { ...body, stream: true, stream_options: { include_usage: true } }, signal,
  });
  onStart(reply.headers.get("x-request-id") ?? "");
  const result = { finish: "", tokens: undefined };
  let isComplete = false;
  let failure;
  try {
    await events(reply, (_, data) => {
      if (data === "[DONE]") {
        isComplete = true;
        return false;
      }
      let chunk;
      try {
        chunk = JSON.parse(data);
      } catch {
        return true;
      }
      if (chunk.error) failure = new APIError(String(chunk.error.message ?? "The server failed."));
      const choice = chunk.choices?.[0];
      const delta = choice?.delta;
      // The first chunk names the role and is no piece of the model's.
      if (delta && !delta.role && (typeof delta.content === "string" || typeof delta.reasoning_content === "string")) {
        onPiece({ text: String(delta.content ?? ""), thought: String(delta.reasoning_content ?? "") });
      }
      if (typeof choice?.finish_reason === "string") result.finish = choice.finish_reason;
      if (Number.isFinite(chunk.usage?.completion_tokens)) result.tokens = chunk.usage.completion_tokens;
      return true;
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw failure ?? new APIError("The connection was lost in the middle of the answer.");
  }
  if (failure) throw failure;
  if (!isComplete) throw new APIError("The connection was lost in the middle of the answer.");
  return result;
}
