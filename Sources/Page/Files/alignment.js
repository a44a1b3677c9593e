// Where in a text's source the letters stand that were rendered from it.

/**
 * Finds the text nodes of an element in the source that they were made of, in its order: each as it is or, where marks were taken out of
 * it, word by word. What is not in the source, such as a label, has no place.
 */
export function align(element, source) {
  const places = new Map(); // text node → [{from, to, at}]
  let at = 0;
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT, {
    acceptNode: (node) => (node.parentElement.closest(".codebar") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT),
  });
  for (let node = walker.nextNode(); node && at < source.length; node = walker.nextNode()) {
    const text = node.data;
    const whole = near(source, text, at);
    if (whole >= 0) {
      places.set(node, [{ from: 0, to: text.length, at: whole }]);
      at = whole + text.length;
      continue;
    }
    const found = [];
    for (const word of text.matchAll(/\S+/g)) {
      const start = near(source, word[0], at);
      if (start < 0) continue;
      found.push({ from: word.index, to: word.index + word[0].length, at: start });
      at = start + word[0].length;
    }
    places.set(node, found);
  }
  return places;
}

// Marks between two pieces of text are short, but for addresses of links; a text that stands only far behind is another.
function near(source, text, from) {
  const start = source.slice(from, from + text.length + 2500).indexOf(text);
  return start < 0 ? -1 : from + start;
}

/** The text node, and the place in it, of the letter that is under a point; null where there is none. */
export function letterAt(x, y) {
  let [node, offset] = [null, 0];
  if (document.caretPositionFromPoint) {
    const caret = document.caretPositionFromPoint(x, y);
    [node, offset] = [caret?.offsetNode, caret?.offset ?? 0];
  } else if (document.caretRangeFromPoint) {
    const caret = document.caretRangeFromPoint(x, y);
    [node, offset] = [caret?.startContainer, caret?.startOffset ?? 0];
  }
  if (node?.nodeType !== Node.TEXT_NODE) return null;
  // A caret stands between two letters.
  for (const start of [offset, offset - 1]) {
    if (start < 0 || start >= node.data.length) continue;
    const range = document.createRange();
    range.setStart(node, start);
    range.setEnd(node, start + 1);
    const box = range.getBoundingClientRect();
    if (x >= box.left - 1 && x <= box.right + 1 && y >= box.top - 2 && y <= box.bottom + 2) return { node, offset: start };
  }
  return null;
}
