/** Operations as commands for a shell, with the public address and credentials in variables. */

/** An operation as it is called. `path` is that of the OpenAPI document, with its parameters filled in. */
export interface CurlCall {
  method?: string;
  path: string;
  query?: Record<string, string | number | boolean | null | undefined>;
  body?: unknown;
  /** The external id of the user for whom the project calls. */
  user?: string;
  headers?: Record<string, string>;
}

const PROJECT_HEADERS = ['-H "X-MAGICBELL-API-KEY: $API_KEY"', '-H "X-MAGICBELL-API-SECRET: $API_SECRET"'];
const ADMIN_HEADERS = ['-H "Authorization: Bearer $INBOX_ADMIN_TOKEN"'];

/** Return a text in single quotes, as a shell reads it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function addressOf({ path, query = {} }: CurlCall): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") params.set(name, String(value));
  }
  const text = params.toString();
  // Within double quotes a shell would expand these.
  const escaped = `${path}${text ? `?${text}` : ""}`.replace(/[\\"$`]/g, (found) => `\\${found}`);
  return `"$INBOX${escaped}"`;
}

/** Return a command that calls an operation. Those of a project need its key and secret, those of the instance a token. */
export function curl(call: CurlCall): string {
  const method = call.method ?? "GET";
  const headers = call.path.startsWith("/admin/") ? ADMIN_HEADERS : PROJECT_HEADERS;
  const lines = [`curl${method === "GET" ? "" : ` -X ${method}`} ${addressOf(call)}`, ...headers];
  if (call.user !== undefined) lines.push(`-H ${quoted(`X-MAGICBELL-USER-EXTERNAL-ID: ${call.user}`)}`);
  for (const [name, value] of Object.entries(call.headers ?? {})) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (call.body !== undefined) {
    lines.push('-H "Content-Type: application/json"', `-d ${quoted(JSON.stringify(call.body))}`);
  }
  return lines.join(" \\\n  ");
}
