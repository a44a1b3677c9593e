// Small helpers around the document. Text always becomes text nodes, never markup.

export const $ = (id) => document.getElementById(id);

/** Makes an element: properties with a dash or named `role` are attributes, functions are listeners, others are properties. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

const shapes = {
  copy: "M9 9h10v11H9zM5 15V4h10",
  done: "M5 12.5l4.5 4.5L19 7.5",
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  retry: "M19 12a7 7 0 1 1-2.2-5.1M19 3v5h-5",
  left: "M14 6l-6 6 6 6",
  right: "M10 6l6 6-6 6",
  close: "M6 6l12 12M18 6L6 18",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  remove: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
};

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", shapes[name]);
  svg.append(path);
  return svg;
}

/** A button that is an icon; its label is what it is called. */
export function iconButton(name, label, action) {
  return make("button", { type: "button", className: "icon", title: label, "aria-label": label, click: action }, icon(name));
}

/** Says something to screen readers. */
export function announce(text) { $("status").textContent = text; }

/** Shows a sentence above the messages until it is put away; the same one only once. */
export function notify(text, { action, label } = {}) {
  for (const old of $("notices").children) if (old.dataset.text === text) return;
  const notice = make("div", { className: "notice" }, make("span", {}, text));
  notice.dataset.text = text;
  if (action) notice.append(make("button", { type: "button", click: () => { notice.remove(); action(); } }, label));
  notice.append(iconButton("close", "Put this notice away", () => notice.remove()));
  $("notices").append(notice);
}

export function clearNotice(text) {
  for (const old of [...$("notices").children]) if (old.dataset.text === text) old.remove();
}

/** Asks for a yes, or for a line of text. Resolves to null, true, or the text. */
export function ask({ title, text = "", yes, value, secret = false }) {
  const [dialog, field] = [$("ask"), $("ask-field")];
  $("ask-title").textContent = title;
  $("ask-text").textContent = text;
  $("ask-yes").textContent = yes;
  const wantsText = value !== undefined;
  field.hidden = !wantsText;
  field.type = secret ? "password" : "text";
  field.value = wantsText ? value : "";
  dialog.returnValue = "";
  return new Promise((resolve) => {
    // Enter in the field means yes, not the first button.
    const enter = (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      dialog.close("yes");
    };
    field.addEventListener("keydown", enter);
    dialog.addEventListener("close", () => {
      field.removeEventListener("keydown", enter);
      resolve(dialog.returnValue === "yes" ? (wantsText ? field.value : true) : null);
      field.value = "";
    }, { once: true });
    dialog.showModal();
    if (wantsText) field.select();
  });
}

/** Lets the browser save a text as a file. */
export function download(name, text, type = "application/json") {
  const address = URL.createObjectURL(new Blob([text], { type }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** Puts a text on the clipboard, and says so on the button. */
export async function copy(text, button) {
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else copyOldWay(text);
  } catch {
    notify("The browser does not let this page copy.");
    return;
  }
  const old = [...button.childNodes];
  const isIcon = button.classList.contains("icon");
  if (button.dataset.copied) return;
  button.dataset.copied = "yes";
  button.replaceChildren(isIcon ? icon("done") : "Copied");
  announce("Copied.");
  setTimeout(() => { button.replaceChildren(...old); delete button.dataset.copied; }, 1500);
}

// Over plain HTTP from another machine, browsers have no clipboard object.
function copyOldWay(text) {
  const focused = document.activeElement;
  const area = make("textarea", { value: text, className: "unseen" });
  document.body.append(area);
  area.select();
  const isDone = document.execCommand("copy");
  area.remove();
  focused?.focus();
  if (!isDone) throw new Error("no clipboard");
}
