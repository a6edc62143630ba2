export const $ = (selector, within = document) => within.querySelector(selector);
export const byId = (id) => document.getElementById(id);
export const fromTemplate = (id) => byId(id).content.firstElementChild.cloneNode(true);

/** Return a new element with properties and children. */
export function element(tag, properties = {}, ...children) {
  const created = Object.assign(document.createElement(tag), properties);
  created.append(...children);
  return created;
}

/** Show an outcome for people. */
export function report(output, text, failed = false) {
  output.textContent = text;
  output.classList.toggle("failed", failed);
}
