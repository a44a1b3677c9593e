// Colours for code: comments, strings, numbers, keywords, calls and types, by a few families of languages.

const longest = 60_000; // characters; what is longer stays plain

const words = (text) => new Set(text.split(" "));
const cLike = "if else for while do switch case default break continue return goto struct union enum typedef static const volatile extern inline sizeof void int char short long float double signed unsigned bool true false NULL nullptr class public private protected virtual override template typename namespace using new delete this try catch throw auto constexpr operator friend noexcept explicit";
const families = {
  c: { keywords: words(cLike), line: "//", block: true, directive: true },
  javascript: { keywords: words("if else for while do switch case default break continue return function class extends new this super import export from as const let var async await yield typeof instanceof in of delete void null undefined true false try catch finally throw static get set interface type enum implements namespace declare readonly public private protected abstract keyof"), line: "//", block: true, template: true },
  java: { keywords: words(cLike + " package import extends implements interface abstract final super synchronized throws finally null instanceof var record sealed permits boolean byte String fun val when object companion data is as in out internal foreach string decimal var async await get set"), line: "//", block: true },
  swift: { keywords: words("if else for while repeat switch case default break continue return func class struct enum protocol extension actor import let var static init deinit self Self super guard in as is try catch throw throws rethrows async await nil true false public private internal fileprivate open final mutating nonmutating override where inout some any associatedtype typealias defer do lazy weak unowned subscript get set willSet didSet consuming borrowing isolated nonisolated"), line: "//", block: true, attribute: true },
  rust: { keywords: words("if else for while loop match break continue return fn struct enum trait impl mod use pub let mut const static self Self super crate as in ref move async await dyn where unsafe extern type true false"), line: "//", block: true },
  go: { keywords: words("if else for range switch case default break continue return func struct interface map chan package import var const type go defer select fallthrough goto nil true false"), line: "//", block: true, template: true },
  python: { keywords: words("if elif else for while break continue return def class import from as with try except finally raise pass lambda yield global nonlocal assert del in is and or not None True False async await match case self"), line: "#", triple: true, attribute: true },
  ruby: { keywords: words("if elsif else unless for while until break next return def class module require include extend begin rescue ensure end do yield self nil true false and or not then case when in lambda proc attr_reader attr_accessor"), line: "#" },
  shell: { keywords: words("if then else elif fi for while until do done case esac in function return local export readonly declare set unset exit source echo cd trap"), line: "#", template: true },
  sql: { keywords: words("select from where insert into values update set delete create table drop alter add index view join left right inner outer full on as and or not null is in like between group by order having limit offset union all distinct primary key foreign references default case when then else end with exists asc desc begin commit rollback"), line: "--", block: true, ignoresCase: true },
  data: { keywords: words("true false null yes no on off"), line: "#" },
  css: { keywords: words("important inherit initial unset auto none"), block: true, attribute: true },
  plain: { keywords: new Set() },
};
const names = {
  c: "c", h: "c", cpp: "c", "c++": "c", cc: "c", hpp: "c", objc: "c", cuda: "c", glsl: "c", slang: "c", hlsl: "c", metal: "c",
  javascript: "javascript", js: "javascript", jsx: "javascript", ts: "javascript", tsx: "javascript", typescript: "javascript", mjs: "javascript",
  java: "java", kotlin: "java", kt: "java", cs: "java", csharp: "java", "c#": "java", scala: "java", dart: "java", php: "java",
  swift: "swift", rust: "rust", rs: "rust", go: "go", golang: "go", python: "python", py: "python", python3: "python", ruby: "ruby", rb: "ruby",
  sh: "shell", bash: "shell", shell: "shell", zsh: "shell", console: "shell", dockerfile: "shell", makefile: "shell",
  sql: "sql", postgresql: "sql", sqlite: "sql", mysql: "sql", json: "data", jsonc: "data", yaml: "data", yml: "data", toml: "data", ini: "data",
  css: "css", scss: "css", html: "markup", xml: "markup", svg: "markup", vue: "markup", diff: "diff", patch: "diff",
};

const text = (value) => document.createTextNode(value);

function mark(kind, value) {
  const span = document.createElement("span");
  span.className = kind;
  span.textContent = value;
  return span;
}

/** Code as nodes, coloured where the language is known. */
export function highlight(code, language) {
  const fragment = document.createDocumentFragment();
  const family = Object.hasOwn(names, language) ? names[language] : null;
  if (!family || code.length > longest) fragment.append(code);
  else if (family === "diff") diff(code, fragment);
  else if (family === "markup") markup(code, fragment);
  else tokens(code, families[family], fragment);
  return fragment;
}

function diff(code, into) {
  for (const line of code.split(/(?<=\n)/)) {
    const kind = line[0] === "+" ? "add" : line[0] === "-" ? "del" : line.startsWith("@@") ? "kw" : null;
    into.append(kind ? mark(kind, line) : text(line));
  }
}

function markup(code, into) {
  const pattern = /<!--[^]*?(?:-->|$)|<\/?[a-zA-Z][\w:-]*|\/?>|[\w:-]+(?==)|"[^"\n]*"|'[^'\n]*'/g;
  let at = 0;
  let isTag = false;
  for (const found of code.matchAll(pattern)) {
    const value = found[0];
    if (found.index > at) into.append(text(code.slice(at, found.index)));
    at = found.index + value.length;
    if (value.startsWith("<!--")) into.append(mark("com", value));
    else if (value[0] === "<") { into.append(mark("kw", value)); isTag = true; }
    else if (value.endsWith(">")) { into.append(isTag ? mark("kw", value) : text(value)); isTag = false; }
    else if (!isTag) into.append(text(value));
    else into.append(mark(value[0] === '"' || value[0] === "'" ? "str" : "fn", value));
  }
  into.append(text(code.slice(at)));
}

function tokens(code, family, into) {
  const comment = [
    family.block ? "\\/\\*[^]*?(?:\\*\\/|$)" : null,
    family.line ? `${family.line === "//" ? "\\/\\/" : family.line === "#" ? "(?<![\\w$&{])#" : "--"}[^\\n]*` : null,
  ].filter(Boolean).join("|") || "(?!)";
  const string = [
    family.triple ? '"""[^]*?(?:"""|$)|\'\'\'[^]*?(?:\'\'\'|$)' : null,
    family.template ? "`(?:\\\\[^]|[^`\\\\])*(?:`|$)" : null,
    '"(?:\\\\.|[^"\\\\\\n])*"?', "'(?:\\\\.|[^'\\\\\\n]){0,400}'",
  ].filter(Boolean).join("|");
  const directive = family.directive ? "^[ \\t]*#[ \\t]*\\w+" : family.attribute ? "@\\w+" : "(?!)";
  const pattern = new RegExp(`(${directive})|(${comment})|(${string})|(\\b\\d[\\w.]*)|([A-Za-z_$][\\w$]*)`, "gm");
  let at = 0;
  for (const found of code.matchAll(pattern)) {
    if (found.index > at) into.append(text(code.slice(at, found.index)));
    const value = found[0];
    at = found.index + value.length;
    if (found[1] !== undefined) into.append(mark("kw", value));
    else if (found[2] !== undefined) into.append(mark("com", value));
    else if (found[3] !== undefined) into.append(mark("str", value));
    else if (found[4] !== undefined) into.append(mark("num", value));
    else if (family.keywords.has(family.ignoresCase ? value.toLowerCase() : value)) into.append(mark("kw", value));
    else if (code[at] === "(") into.append(mark("fn", value));
    else if (/^[A-Z][a-z]/.test(value)) into.append(mark("ty", value));
    else into.append(text(value));
  }
  into.append(text(code.slice(at)));
}
