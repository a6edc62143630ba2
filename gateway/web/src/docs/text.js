/** Create an element. Strings among the children become text: nothing from the document is parsed as HTML. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** Return text with `code` and **bold** as elements. */
export function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) =>
    part.startsWith("`") ? element("code", {}, part.slice(1, -1))
      : part.startsWith("**") ? element("b", {}, part.slice(2, -2))
        : part);
}

/** Return paragraphs and lists: the subset of Markdown that the document uses. */
export function prose(text = "") {
  const blocks = [];
  let bullets = null;
  for (const line of text.split("\n")) {
    const isBullet = line.startsWith("- ");
    if (isBullet) {
      if (!bullets) blocks.push((bullets = element("ul")));
      bullets.append(element("li", {}, inline(line.slice(2))));
    } else {
      bullets = null;
      const last = blocks.at(-1);
      if (line && last?.tagName === "P" && !last.closed) last.append(" ", ...inline(line));
      else if (line) blocks.push(element("p", {}, inline(line)));
      else if (last) last.closed = true;
    }
  }
  return blocks;
}
