// Markdown as models write it, made into DOM nodes. Nothing of it is ever read as HTML, no picture is fetched, and only links to the web
// and to mail become links. Work grows in proportion to the text, and nesting is bounded, whatever the text is.
import { highlight } from "./highlight.js";
import { copy, make } from "./dom.js";

const deepest = 12; // quotes and lists within each other
const deepestInline = 24; // emphasis within emphasis
const mostOpen = 40; // delimiters that are looked through for the one that matches
const longest = 20_000; // characters of a paragraph that are still looked at for markup
const pieceLength = 4_000; // of what is longer
const mostCells = 5_000; // of a table

const blank = /^[ \t]*$/;
const fencePattern = /^( {0,3})(`{3,}|~{3,})[ \t]*([^`\n]*)$/;
const headingPattern = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/;
const rulePattern = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const quotePattern = /^ {0,3}> ?/;
const itemPattern = /^( {0,3})([-*+]|\d{1,9}[.)])([ \t]+|$)/;
const delimiterRow = /^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
// Patterns with repetitions are for lines of a sane length.
const isRule = (line) => line.length < 200 && rulePattern.test(line);
const isDelimiterRow = (line) => line.length < 2000 && line.includes("-") && delimiterRow.test(line);
const fenceOf = (line) => (line.length < 1000 ? fencePattern.exec(line) : null);

/** The text as nodes. */
export function render(text) {
  const fragment = document.createDocumentFragment();
  blocks(text.split("\n"), fragment, 0);
  return fragment;
}

function blocks(lines, into, depth) {
  let index = 0;
  while (index < lines.length) {
    const line = lines[index];
    if (blank.test(line)) { index += 1; continue; }
    const fence = fenceOf(line);
    if (fence) { index = codeBlock(lines, index, fence, into); continue; }
    const heading = headingPattern.exec(line);
    if (heading) {
      // The page has a heading of its own above these.
      const element = make(`h${Math.min(6, heading[1].length + 1)}`, { className: `level${heading[1].length}` });
      inline((heading[2] ?? "").replace(/[ \t]#{1,20}[ \t]*$/, ""), element);
      into.append(element);
      index += 1;
      continue;
    }
    if (isRule(line)) { into.append(make("hr")); index += 1; continue; }
    if (quotePattern.test(line) && depth < deepest) {
      const inner = [];
      while (index < lines.length && quotePattern.test(lines[index])) inner.push(lines[index++].replace(quotePattern, ""));
      const quote = make("blockquote");
      blocks(inner, quote, depth + 1);
      into.append(quote);
      continue;
    }
    if (itemPattern.test(line) && depth < deepest) { index = list(lines, index, into, depth); continue; }
    if (line.includes("|") && index + 1 < lines.length && isDelimiterRow(lines[index + 1])) {
      const after = table(lines, index, into);
      if (after > index) { index = after; continue; }
    }
    const start = index++;
    while (index < lines.length && !interrupts(lines[index], depth)) index += 1;
    paragraph(lines.slice(start, index).map((one) => one.trimStart()).join("\n"), into);
  }
}

const interrupts = (line, depth) =>
  blank.test(line) || headingPattern.test(line) || isRule(line) || fenceOf(line) !== null
  || (depth < deepest && (quotePattern.test(line) || /^ {0,3}(?:[-*+]|1[.)])[ \t]+\S/.test(line)));

function paragraph(text, into) {
  if (text.length <= longest) {
    const element = make("p");
    inline(text.trimEnd(), element);
    into.append(element);
    return;
  }
  // A browser lays out many short blocks much faster than a long one.
  for (const piece of pieces(text)) into.append(make("p", { className: "raw" }, piece));
}

export function* pieces(text) {
  for (let start = 0; start < text.length;) {
    let end = Math.min(text.length, start + pieceLength);
    if (end < text.length) {
      const space = Math.max(text.lastIndexOf(" ", end), text.lastIndexOf("\n", end));
      if (space > start + pieceLength / 2) end = space + 1;
      // Not between the halves of a character.
      else if (/[\ud800-\udbff]/.test(text[end - 1])) end -= 1;
    }
    yield text.slice(start, end);
    start = end;
  }
}

// MARK: Code

function codeBlock(lines, start, [, indent, fence, info], into) {
  let index = start + 1;
  const code = [];
  const strip = indent.length;
  while (index < lines.length && !closes(lines[index], fence)) {
    let line = lines[index++];
    for (let i = 0; i < strip && line.startsWith(" "); i += 1) line = line.slice(1);
    code.push(line);
  }
  into.append(codeView(code.join("\n"), info.trim().split(/[ \t{]/)[0]));
  return index + 1;
}

function closes(line, fence) {
  const text = line.trim();
  return text.length >= fence.length && text.length < 1000 && text[0] === fence[0] && [...text].every((c) => c === fence[0]) && /^ {0,3}\S/.test(line);
}

function codeView(text, language) {
  const name = language.slice(0, 24);
  const button = make("button", { type: "button", className: "copy", click: () => copy(text, button) }, "Copy");
  const code = make("code");
  code.append(highlight(text, name.toLowerCase()));
  // Scrolls by keyboard, too.
  const pre = make("pre", { tabIndex: 0, role: "group", "aria-label": name ? `Code, ${name}` : "Code" }, code);
  return make("div", { className: "code" }, make("div", { className: "codebar" }, make("span", {}, name || "text"), button), pre);
}

// MARK: Lists

function list(lines, start, into, depth) {
  const first = itemPattern.exec(lines[start]);
  const isOrdered = /\d/.test(first[2]);
  const mark = first[2].at(-1);
  const element = make(isOrdered ? "ol" : "ul");
  if (isOrdered && Number.parseInt(first[2], 10) !== 1) element.start = Number.parseInt(first[2], 10);
  let index = start;
  let isLoose = false;
  while (index < lines.length) {
    const item = itemPattern.exec(lines[index]);
    if (!item || isRule(lines[index]) || /\d/.test(item[2]) !== isOrdered || item[2].at(-1) !== mark) break;
    const space = item[3].length > 4 || item[3] === "" ? 1 : item[3].length;
    const indent = item[1].length + item[2].length + space;
    const inner = [lines[index].slice(Math.min(lines[index].length, indent))];
    index += 1;
    while (index < lines.length) {
      const line = lines[index];
      if (blank.test(line)) {
        // Goes on where something indented follows; the next item makes the list a loose one.
        let next = index;
        while (next < lines.length && blank.test(lines[next])) next += 1;
        if (next >= lines.length) { index = next; break; }
        const width = indentOf(lines[next]);
        if (width >= Math.min(indent, 2) && width >= 1) {
          for (; index < next; index += 1) inner.push("");
          continue;
        }
        if (itemPattern.test(lines[next])) { isLoose = true; index = next; }
        break;
      }
      const width = indentOf(line);
      if (width >= indent) inner.push(line.slice(indent));
      // Models indent by two where the marker takes three.
      else if (width >= 2 && itemPattern.test(line.trimStart())) inner.push(line.slice(width));
      else if (width >= 2) inner.push(line.trimStart());
      else if (itemPattern.test(line) || interrupts(line, depth)) break;
      else inner.push(line.trimStart());
      index += 1;
    }
    element.append(listItem(inner, depth));
    if (index < lines.length && blank.test(lines[index])) break;
  }
  if (isLoose) element.className = "loose";
  into.append(element);
  return Math.max(index, start + 1);
}

const indentOf = (line) => /^ */.exec(line.replaceAll("\t", "    "))[0].length;

function listItem(lines, depth) {
  const element = make("li");
  const task = /^\[([ xX])\][ \t]+/.exec(lines[0]);
  if (task) {
    lines[0] = lines[0].slice(task[0].length);
    const isDone = task[1] !== " ";
    element.className = "task";
    element.append(make("input", { type: "checkbox", checked: isDone, disabled: true, "aria-label": isDone ? "done" : "to do" }), " ");
  }
  const content = document.createDocumentFragment();
  blocks(lines, content, depth + 1);
  // A paragraph alone is its text.
  const firstChild = content.firstChild;
  if (firstChild?.nodeName === "P" && firstChild.className === "") element.append(...firstChild.childNodes), firstChild.remove();
  element.append(content);
  return element;
}

// MARK: Tables

function cells(line) {
  let text = line.trim();
  if (text.startsWith("|")) text = text.slice(1);
  const result = [];
  let cell = "";
  let isCode = false;
  for (let i = 0; i < text.length; i += 1) {
    const c = text[i];
    if (c === "\\" && text[i + 1] === "|") { cell += "|"; i += 1; continue; }
    if (c === "`") isCode = !isCode;
    if (c === "|" && !isCode) { result.push(cell.trim()); cell = ""; continue; }
    cell += c;
  }
  if (cell.trim() !== "") result.push(cell.trim());
  return result;
}

function table(lines, start, into) {
  const head = cells(lines[start]);
  const columns = cells(lines[start + 1]);
  if (head.length !== columns.length || head.length > 100) return start;
  const sides = columns.map((cell) => (cell.endsWith(":") ? (cell.startsWith(":") ? "center" : "right") : ""));
  const row = (texts, tag) => make("tr", {}, ...head.map((_, column) => {
    const cell = make(tag, { className: sides[column] });
    if (tag === "th") cell.scope = "col";
    inline(texts[column] ?? "", cell);
    return cell;
  }));
  const body = make("tbody");
  let index = start + 2;
  while (index < lines.length && !blank.test(lines[index]) && lines[index].includes("|")) {
    if (body.childNodes.length * head.length >= mostCells) break;
    body.append(row(cells(lines[index++]), "td"));
  }
  into.append(make("div", { className: "table", tabIndex: 0, role: "group", "aria-label": "Table" }, make("table", {}, make("thead", {}, row(head, "th")), body)));
  return index;
}

// MARK: Text

const entities = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", "#39": "'" };
const special = /[\\`*_~[\]!&<\nhH]/g;

/** Text with emphasis, code, links and breaks. */
function inline(text, into) {
  if (text.length > longest) { into.append(text); return; }
  // A list of nodes and of delimiters; delimiters that match are replaced by what lies between them.
  const parts = [];
  const brackets = [];
  const missing = new Set(); // lengths of backtick runs that close nowhere
  let plain = "";
  const flush = () => { if (plain) parts.push({ node: document.createTextNode(plain) }), plain = ""; };
  let i = 0;
  while (i < text.length) {
    special.lastIndex = i;
    const found = special.exec(text);
    if (!found) { plain += text.slice(i); break; }
    plain += text.slice(i, found.index);
    i = found.index;
    const c = text[i];
    if (c === "\n") {
      plain = plain.replace(/[ \t\\]{1,20}$/, "");
      flush();
      parts.push({ node: make("br") });
      i += 1;
    } else if (c === "\\") {
      const next = text[i + 1];
      if (next && /[!-/:-@[-`{-~]/.test(next)) { plain += next; i += 2; } else { plain += c; i += 1; }
    } else if (c === "`") {
      let end = i;
      while (text[end] === "`") end += 1;
      const run = text.slice(i, end);
      const close = missing.has(run.length) ? -1 : closingRun(text, end, run.length);
      if (close < 0) {
        missing.add(run.length);
        plain += run;
        i = end;
      } else {
        flush();
        let code = text.slice(end, close).replaceAll("\n", " ");
        if (/^ .*[^ ].* $/.test(code)) code = code.slice(1, -1);
        parts.push({ node: make("code", {}, code) });
        i = close + run.length;
      }
    } else if (c === "*" || c === "_" || c === "~") {
      let end = i;
      while (text[end] === c) end += 1;
      const before = i === 0 ? " " : text[i - 1];
      const after = end >= text.length ? " " : text[end];
      const [left, right] = [flanks(after, before), flanks(before, after)];
      let [opens, closesIt] = [left, right];
      // Not within words: snake_case stays.
      if (c === "_") [opens, closesIt] = [left && (!right || isPunctuation(before)), right && (!left || isPunctuation(after))];
      if ((c === "~" && end - i !== 2) || end - i > 100) {
        plain += text.slice(i, end);
      } else {
        flush();
        parts.push({ delimiter: c, count: end - i, opens, closes: closesIt });
      }
      i = end;
    } else if (c === "!" || c === "[") {
      if (c === "!" && text[i + 1] !== "[") { plain += c; i += 1; continue; }
      const isPicture = c === "!";
      flush();
      parts.push({ bracket: true, text: isPicture ? "![" : "[" });
      brackets.push({ at: parts.length - 1 });
      i += isPicture ? 2 : 1;
    } else if (c === "]") {
      const open = brackets.pop();
      const target = open ? linkTarget(text, i + 1) : null;
      if (!target) { plain += c; i += 1; continue; }
      flush();
      const inner = parts.splice(open.at);
      inner.shift();
      const link = linkTo(target.address);
      if (link) {
        emphasize(inner, link);
        if (!link.hasChildNodes()) link.append(target.address);
        // No links within links.
        brackets.length = 0;
        parts.push({ node: link });
      } else {
        // Where it would lead is shown, not followed.
        parts.push(...inner);
        plain += ` (${target.address})`;
      }
      i = target.end;
    } else if (c === "&") {
      const entity = /^&(#39|[a-z]{2,4});/.exec(text.slice(i, i + 8));
      const value = entity && Object.hasOwn(entities, entity[1]) ? entities[entity[1]] : null;
      if (value) { plain += value; i += entity[0].length; } else { plain += c; i += 1; }
    } else {
      // An address: by itself, or in angle brackets.
      const isBracketed = c === "<";
      const begin = isBracketed ? i + 1 : i;
      const address = /^[a-z]$/i.test(text[begin - 1] ?? "") ? null : /^https?:\/\/[^\s<>`"]{1,2000}/i.exec(text.slice(begin, begin + 2010));
      let target = address?.[0];
      if (target && !isBracketed) {
        target = target.replace(/[.,;:!?*_~'\]]{1,50}$/, "");
        if (target.endsWith(")") && !target.includes("(")) target = target.slice(0, -1);
      }
      const end = target ? begin + target.length : 0;
      const link = target && (!isBracketed || text[end] === ">") ? linkTo(target) : null;
      if (link) {
        flush();
        link.append(target);
        parts.push({ node: link });
        i = isBracketed ? end + 1 : end;
      } else {
        plain += c;
        i += 1;
      }
    }
  }
  flush();
  emphasize(parts, into);
}

function closingRun(text, from, length) {
  for (let i = text.indexOf("`", from); i >= 0; i = text.indexOf("`", i)) {
    let end = i;
    while (text[end] === "`") end += 1;
    if (end - i === length) return i;
    i = end;
  }
  return -1;
}

const isPunctuation = (c) => /[\p{P}\p{S}]/u.test(c);
// CommonMark's rule: a run at the edge of a word.
const flanks = (inside, outside) => !/\s/.test(inside) && (!isPunctuation(inside) || /\s/.test(outside) || isPunctuation(outside));

function linkTarget(text, at) {
  if (text[at] !== "(") return null;
  const part = text.slice(at, at + 2100);
  const match = /^\([ \t]*(?:<([^<>\n]{0,2000})>|((?:[^\s()<>]|\([^\s()<>]{0,500}\)){0,2000}))(?:[ \t]+(?:"[^"\n]{0,500}"|'[^'\n]{0,500}'))?[ \t]*\)/.exec(part);
  return match ? { address: match[1] ?? match[2], end: at + match[0].length } : null;
}

/** A link, or null for an address that is none of the web's. */
export function linkTo(address) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  if (!["http:", "https:", "mailto:"].includes(url.protocol)) return null;
  return make("a", { href: url.href, target: "_blank", rel: "noopener noreferrer", title: url.href });
}

// CommonMark's rule of three, which tells `**a*b**` from `*a**b*`.
const pairs = (opening, closing) =>
  !((opening.closes || closing.opens) && (opening.whole + closing.count) % 3 === 0 && (opening.whole % 3 !== 0 || closing.count % 3 !== 0));

/** Puts parts into an element, with delimiters that match made into emphasis. */
function emphasize(parts, into) {
  const result = []; // nodes and delimiters that are still open
  const openings = { "*": [], "_": [], "~": [] };
  const depths = new Map();
  for (const part of parts) {
    if (part.node) { result.push(part); continue; }
    if (part.bracket) { result.push({ node: document.createTextNode(part.text) }); continue; }
    let count = part.count;
    const stack = openings[part.delimiter];
    while (part.closes && count > 0) {
      // Those that something further out has taken are gone.
      while (stack.length > 0 && (result[stack.at(-1).at] !== stack.at(-1) || stack.at(-1).count === 0)) stack.pop();
      const opening = stack.slice(-mostOpen).findLast((one) => pairs(one, part));
      if (!opening || result[opening.at] !== opening || opening.count === 0) break;
      stack.length = stack.lastIndexOf(opening) + 1;
      const used = part.delimiter === "~" ? 2 : Math.min(2, opening.count, count);
      if (opening.at === result.length - 1) break;
      const inner = result.splice(opening.at + 1);
      const depth = 1 + inner.reduce((most, { node }) => Math.max(most, depths.get(node) ?? 0), 0);
      if (depth > deepestInline) { result.push(...inner); break; }
      const element = make(part.delimiter === "~" ? "del" : used === 2 ? "strong" : "em");
      for (const one of inner) element.append(one.node ?? one.delimiter.repeat(one.count));
      depths.set(element, depth);
      opening.count -= used;
      count -= used;
      if (opening.count === 0) {
        result.pop();
        stack.pop();
      }
      result.push({ node: element });
    }
    if (count === 0) continue;
    const rest = { delimiter: part.delimiter, count, at: result.length, opens: part.opens, closes: part.closes, whole: part.count };
    result.push(rest);
    if (part.opens) stack.push(rest);
  }
  for (const part of result) into.append(part.node ?? part.delimiter.repeat(part.count));
}

// MARK: While it comes

/** Shows a text that grows. What is before the last paragraph is made once. */
export class MarkdownView {
  #text = "";
  #made = 0;
  #tail = [];

  constructor(element) { this.element = element; }

  update(text) {
    if (!text.startsWith(this.#text.slice(0, this.#made))) {
      this.element.replaceChildren();
      [this.#made, this.#tail] = [0, []];
    }
    this.#text = text;
    for (const node of this.#tail) node.remove();
    const split = lastBreak(text, this.#made);
    if (split > this.#made) {
      this.element.append(render(text.slice(this.#made, split)));
      this.#made = split;
    }
    const fragment = render(text.slice(split));
    this.#tail = [...fragment.childNodes];
    this.element.append(fragment);
  }
}

// The last place after which nothing belongs to what is before: an empty line outside of code, with a line behind it that begins neither
// with space nor as a list's item.
function lastBreak(text, from) {
  let [result, fence, wasBlank] = [from, null, false];
  let at = from;
  while (at < text.length) {
    let end = text.indexOf("\n", at);
    if (end < 0) end = text.length;
    const line = text.slice(at, Math.min(end, at + 1200));
    if (fence) {
      if (closes(line, fence)) fence = null;
    } else {
      if (wasBlank && at > from && line !== "" && !/^[ \t]/.test(line) && !itemPattern.test(line)) result = at;
      const opening = fenceOf(line);
      if (opening) fence = opening[2];
    }
    wasBlank = blank.test(line);
    at = end + 1;
  }
  return result;
}
