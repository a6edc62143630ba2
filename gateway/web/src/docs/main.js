/** The page of the API: it renders /openapi.json, and sends no request to any other host. */

import { operationView } from "./operations.js";
import { fields } from "./schemas.js";
import { element, inline, prose } from "./text.js";

const main = document.querySelector("main");
const contents = document.querySelector("#contents");
const menu = document.querySelector("nav > details");
const narrow = matchMedia("(max-width: 760px)");

function section(id, title, text, cards) {
  main.append(element("h2", { id }, title), ...prose(text), ...cards);
}

function card(id, title, ...inside) {
  return element("details", { class: "card", id }, element("summary", {}, element("code", {}, title)), element("div", {}, ...inside));
}

function link(group, id, text) {
  group.append(element("a", { href: `#${id}` }, text));
}

/** Return a list of paths with their methods. The document has no more about operations that are not built. */
function missingPaths(tagged) {
  const methods = Map.groupBy(tagged, ({ path }) => path);
  return element("ul", {}, [...methods].map(([path, rows]) =>
    element("li", {}, element("code", {}, `${rows.map(({ method }) => method.toUpperCase()).join(", ")} ${path}`))));
}

function render(api) {
  main.replaceChildren(element("h1", {}, `${api.info.title} ${api.info.version}`), ...prose(api.info.description),
    element("p", {}, inline("The example commands use the shell variables `$API_KEY`, `$API_SECRET`, `$HMAC` and `$TOKEN`: "),
      element("a", { href: "#credentials" }, "what they are"), "."),
    element("p", {}, "This document for programs: ", element("a", { href: "./openapi.json" }, "/openapi.json")));
  contents.replaceChildren();
  let missing = null;
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })));
  for (const tag of api.tags) {
    const tagged = operations.filter(({ operation }) => operation.tags.includes(tag.name));
    if (tag.name === "Not built yet") {
      missing = { tag, tagged };
      continue;
    }
    const group = element("div", {}, element("h3", {}, tag.name));
    for (const { operation } of tagged) {
      link(group, operation.operationId, operation.summary);
    }
    contents.append(group);
    section(`tag-${tag.name}`, tag.name, tag.description,
      tagged.map((each) => operationView(api, each)));
  }
  const { securitySchemes, schemas } = api.components;
  section("credentials", "Credentials", "", Object.entries(securitySchemes).map(([name, scheme]) =>
    card(`credential-${name}`, name, element("p", {}, element("code", {}, scheme.name ?? "Authorization: Bearer …")), prose(scheme.description))));
  section("schemas", "Schemas", "", Object.entries(schemas).map(([name, schema]) =>
    card(`schema-${name}`, name, prose(schema.description), fields(schema))));
  const more = element("div", {}, element("h3", {}, "More"));
  link(more, "credentials", "Credentials");
  link(more, "schemas", "Schemas");
  if (missing) {
    section("missing", missing.tag.name, missing.tag.description, [missingPaths(missing.tagged)]);
    link(more, "missing", missing.tag.name);
  }
  contents.append(more);
}

/** Show the contents beside the text. On a phone they are above the text, so fold them: they fill several screens. */
function fold() {
  menu.open = !narrow.matches;
}

/** Open the card that the fragment of the address names. */
function open() {
  fold();
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.tagName === "DETAILS") target.open = true;
  target.scrollIntoView();
}

try {
  const response = await fetch("./openapi.json");
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  render(await response.json());
  addEventListener("hashchange", open);
  narrow.addEventListener("change", fold);
  open();
} catch (problem) {
  document.querySelector("#status")?.replaceChildren(`/openapi.json cannot be read: ${problem.message}`);
  throw problem;
}
