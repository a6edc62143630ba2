/**
 * What is shown of a content that has markup. It is a file of its own, loaded for the first content that needs it.
 *
 * The browser's sanitizer (Element.setHTML), or DOMPurify where there is none, makes HTML safe, in a document that loads
 * nothing. Then only what the rules below know is kept: no styles, classes, ids, forms or frames.
 */

import { loadFrom } from "./assets.ts";
import css from "./content.css";
import { safeUrl } from "./links.ts";

const sheet = new CSSStyleSheet();
sheet.replaceSync(css);

/** Have the elements of contents styled where a node is. */
export function style(node: Node): void {
  const { adoptedStyleSheets } = node.getRootNode() as ShadowRoot | Document;
  if (!adoptedStyleSheets.includes(sheet)) adoptedStyleSheets.push(sheet);
}

const names = (text: string) => new Set(text.split(" "));

const KEPT = names(
  "a b blockquote br code dd del div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre s " +
    "small span strong sub sup table tbody td tfoot th thead tr u ul",
);

/** Elements that become <div>, because they would be landmarks or controls of the page. */
const BLOCKS = names("address article aside center details fieldset footer header main nav section summary");

/** Elements that are left out with their content. Of all others, the content stays. */
const REMOVED = names(
  "applet audio base canvas embed frame frameset head iframe link math meta noembed noframes noscript object param " +
    "plaintext script select style svg template textarea title video xmp",
);

// A form whose controls have the names of methods would hide its own methods from the rules below.
const SANITIZER = { removeElements: [...REMOVED], replaceWithChildrenElements: ["form"], comments: false };

const ATTRIBUTES = names("alt colspan dir href lang rowspan src start title");

/** The only element that keeps an attribute, because only there its value is checked. */
const OWNER: Record<string, string> = { href: "a", src: "img" };

/** The newer part of Element, which TypeScript does not know. */
type Sanitizing = Element & { setHTML?(html: string, options: object): void };

/** Return the nodes to show for HTML. Throws, or rejects, if neither the browser nor a policy of the page permits it. */
export async function nodesOf(content: string): Promise<ChildNode[]> {
  const html = withoutInlineCode(content);
  const inert: Sanitizing = document.implementation.createHTMLDocument("").body;
  if (!inert.setHTML) {
    const { sanitized } = await loadFrom<typeof import("./purify.ts")>(new URL("purify.js", import.meta.url).href);
    return restricted(sanitized(html));
  }
  inert.setHTML(html, { sanitizer: SANITIZER });
  return restricted(inert);
}

/**
 * Return HTML whose handlers and styles have another name. The sanitizers remove them anyway, but only after the parser
 * has reported each of them as a violation of the page's Content-Security-Policy.
 */
function withoutInlineCode(html: string): string {
  const unstyled = html.replace(/<(\/?)style\b/gi, "<$1xmp"); // both contain raw text, and both are removed
  return unstyled.replace(TAG, (tag) => tag.replace(/([\s"'/])(on\w+|style)(?=\s*=)/gi, "$1data-$2"));
}

/** A tag. Its length is bounded, so that many quotation marks take no quadratic time. */
const TAG = /<[a-z](?:"[^"]*"|'[^']*'|[^"'>]){0,2000}>/gi;

/** Return the nodes of a parsed content that are kept. */
function restricted(root: ParentNode & Node): ChildNode[] {
  for (const element of root.querySelectorAll("*")) restrict(element);
  return [...root.childNodes];
}

function restrict(element: Element): void {
  const name = element.localName;
  if (REMOVED.has(name) || !(element instanceof HTMLElement)) return element.remove();
  const kept = BLOCKS.has(name) ? "div" : KEPT.has(name) && name;
  if (!kept) return element.replaceWith(...element.childNodes);
  // A new element: one that was parsed with `is` becomes a custom element of the page, even without its attributes.
  const copy = element.ownerDocument.createElement(kept);
  for (const { name: attribute, value } of element.attributes)
    if (ATTRIBUTES.has(attribute) && (OWNER[attribute] ?? kept) === kept) copy.setAttribute(attribute, value);
  copy.append(...element.childNodes);
  element.replaceWith(copy);
  if (/^h\d$/.test(name)) copy.setAttribute("role", "none"); // not a heading of the page
  else if (name === "a") restrictLink(copy);
  else if (name === "img") restrictImage(copy);
}

function restrictLink(link: Element): void {
  const url = safeUrl(link.getAttribute("href"));
  if (!url) return link.removeAttribute("href");
  link.setAttribute("href", url);
  link.setAttribute("rel", "noopener");
}

/** Keep an image that a link may have, or that is in the content itself. An SVG of its own is none: it may be huge. */
function restrictImage(image: Element): void {
  const source = image.getAttribute("src") ?? "";
  const url = /^data:image\/(avif|gif|jpeg|png|webp);base64,/.test(source) ? source : safeUrl(source);
  if (!url || url.startsWith("mailto:")) return image.replaceWith(image.getAttribute("alt") ?? "");
  image.setAttribute("loading", "lazy");
  image.setAttribute("referrerpolicy", "no-referrer");
  image.setAttribute("src", url);
}
