import { limitsOf, schemaView, typeOf } from "./schemas.js";
import { element, inline, prose } from "./text.js";

const base = new URL(".", location.href).href.replace(/\/$/, ""); // includes the path that a proxy adds

const resolve = (api, value) =>
  value?.$ref ? value.$ref.slice(2).split("/").reduce((found, part) => found[part], api) : value;

const VALUES = {
  ApiKey: "$API_KEY", ApiSecret: "$API_SECRET", UserExternalId: "ada", UserEmail: "ada@example.com", UserHmac: "$HMAC",
};

function curl(api, method, path, operation) {
  const flags = "text/event-stream" in (operation.responses["200"]?.content ?? {}) ? "-sSN" : "-sS";
  const lines = [`curl ${flags}${method === "get" ? "" : ` -X ${method.toUpperCase()}`} "${base}${path}"`];
  for (const name of Object.keys(operation.security?.[0] ?? {})) {
    const scheme = api.components.securitySchemes[name];
    lines.push(scheme.type === "http" ? `  -H "Authorization: Bearer $TOKEN"` : `  -H "${scheme.name}: ${VALUES[name]}"`);
  }
  const body = operation.requestBody?.content["application/json"];
  if (body) lines.push(`  -d '${JSON.stringify(body.example, null, 2).replaceAll("'", "'\\''")}'`);
  return lines.join(" \\\n");
}

function credentials(operation) {
  const ways = (operation.security ?? []).filter((way) => Object.keys(way).length);
  if (!ways.length) return null;
  return [element("h4", {}, "Credentials, one of"), element("ul", {}, ways.map((way) =>
    element("li", {}, Object.keys(way).flatMap((name, at) =>
      [at ? " + " : "", element("a", { href: `#credential-${name}` }, name)]))))];
}

function parameters(api, operation) {
  const found = (operation.parameters ?? []).map((one) => resolve(api, one));
  if (!found.length) return null;
  return [element("h4", {}, "Parameters"), element("table", {}, found.map((one) => element("tr", {},
    element("td", {}, element("code", {}, one.name), one.required ? element("span", { class: "must" }, " required") : null),
    element("td", {}, element("span", { class: "quiet" }, `${one.in}: `), limitsOf(one.schema),
      one.description ? element("span", {}, " - ", inline(one.description)) : null))))];
}

function requestBody(operation) {
  const body = operation.requestBody?.content["application/json"];
  return body ? [element("h4", {}, "Body"), ...schemaView(body.schema)] : null;
}

function responses(api, operation) {
  const rows = Object.entries(operation.responses).map(([status, reference]) => {
    const response = resolve(api, reference);
    const contents = Object.entries(response.content ?? {}).map(([mediaType, content]) =>
      element("div", {}, element("span", { class: "quiet" }, `${mediaType} `),
        content.schema.$ref ? typeOf(content.schema) : null,
        content.example && typeof content.example === "string" ? element("pre", {}, content.example) : null));
    const headers = Object.keys(response.headers ?? {}).map((name) => element("div", { class: "quiet" }, `header ${name}`));
    return element("tr", {}, element("td", {}, element("code", {}, status)),
      element("td", {}, prose(response.description), contents, headers));
  });
  return [element("h4", {}, "Responses"), element("table", {}, rows)];
}

/** Return the card of an operation of the document `api`. */
export function operationView(api, { path, method, operation }) {
  const isCallable = !("101" in operation.responses);
  return element("details", { class: "card", id: operation.operationId },
    element("summary", {},
      element("span", { class: `method ${method}` }, method.toUpperCase()),
      element("code", {}, path), element("span", { class: "what" }, operation.summary)),
    element("div", {},
      prose(operation.description),
      isCallable ? [element("h4", {}, "Try"), element("pre", {}, curl(api, method, path, operation))] : null,
      credentials(operation), parameters(api, operation), requestBody(operation), responses(api, operation)));
}
