/** The content of notifications, which may be HTML from anywhere. One without markup never meets a parser. */

import { load } from "./assets.ts";

/** The part of a content that is parsed. A row shows three lines of it. */
const MAX_LENGTH = 16_384;

/** Show a content in an element, safely. `url` is the address of the gateway. */
export function showContent(target: HTMLElement, content: string, url: string): void {
  const html = shortened(content);
  const markup = /[<&]/.test(html);
  target.classList.toggle("plain", !markup); // its line breaks are shown
  // The text is there at once. It stays if the module cannot be loaded, or a policy of the page forbids it to parse.
  const text = (target.textContent = markup ? plainText(html) : html);
  if (!markup) return;
  load<typeof import("./html.ts")>("html.js", url)
    .then(async ({ nodesOf, style }) => {
      const nodes = await nodesOf(html);
      if (target.textContent !== text) return;
      target.replaceChildren(...nodes);
      style(target);
    })
    .catch(() => {});
}

const INLINE = /<\/?([abius]|em|strong|span|code)\b[^<>]*>/gi; // tags that separate no words

/** Return the text of a content, without its markup. */
export function plainText(content: string): string {
  const text = shortened(content).replace(/<(style|script)\b[^<]*(<\/\1|$)/gi, "").replace(INLINE, "");
  return decoded(text.replace(/<[^<>]*>/g, " ")).replace(/\s+/g, " ").trim();
}

function decoded(text: string): string {
  const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", "#39": "'", nbsp: " " };
  return text.replace(/&(#39|[a-z]+);/g, (entity, name: string) => (Object.hasOwn(entities, name) ? entities[name]! : entity));
}

/** Return a content that is not longer than what is parsed. A tag that is cut through is left out. */
function shortened(content: string): string {
  if (content.length <= MAX_LENGTH) return content;
  const cut = content.slice(0, MAX_LENGTH);
  const tag = cut.lastIndexOf("<");
  return `${tag > cut.lastIndexOf(">") ? cut.slice(0, tag) : cut}…`;
}
