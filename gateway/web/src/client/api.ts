import { InboxError } from "./errors.ts";
import { withoutUnset } from "./records.ts";

const REQUEST_TIMEOUT_MS = 15_000;

export interface Credentials {
  api_key?: string;
  user_external_id?: string;
  user_email?: string;
  user_hmac?: string;
  token?: string;
}

export interface RequestOptions {
  query?: object;
  body?: unknown;
  headers?: HeadersInit;
}

/** Requests to the REST API of the gateway at `url`, with the credentials of one user. */
export class Api {
  #url: string;
  #clientId: string;
  #headers!: Headers;

  constructor(url: string, clientId: string, credentials: Credentials) {
    this.#url = url;
    this.#clientId = clientId;
    this.use(credentials);
  }

  /** The credentials as headers, which event streams send too. */
  get headers(): Headers {
    return this.#headers;
  }

  /** Use other credentials from now on. */
  use({ api_key, user_external_id, user_email, user_hmac, token }: Credentials): void {
    this.#headers = new Headers(
      withoutUnset({
        "X-MAGICBELL-API-KEY": api_key,
        "X-MAGICBELL-USER-EXTERNAL-ID": utf8(user_external_id),
        "X-MAGICBELL-USER-EMAIL": utf8(user_email),
        "X-MAGICBELL-USER-HMAC": user_hmac,
        "X-MAGICBELL-CLIENT-ID": this.#clientId,
        Authorization: token && `Bearer ${token}`,
      }) as Record<string, string>,
    );
  }

  /** Return a successful response. Throws InboxError for any other status, and with status 0 if there is none. */
  async request(method: string, path: string, { query, body, headers }: RequestOptions = {}): Promise<Response> {
    const all = new Headers(this.#headers);
    new Headers(headers).forEach((value, name) => all.set(name, value));
    if (body !== undefined) all.set("Content-Type", "application/json");
    const response = await fetch(this.url(path, query), {
      method,
      headers: all,
      body: JSON.stringify(body), // undefined without a body
      cache: "no-store",
      keepalive: method !== "GET", // a click marks as read, and leaves the page
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    }).catch(({ message }: Error) => {
      throw new InboxError(0, [{ message: `${this.#url} cannot be reached, or does not allow this page's origin: ${message}` }]);
    });
    if (!response.ok) throw await InboxError.from(response);
    return response;
  }

  /** Return the URL of a path. A query value may be an array, whose items may contain commas; null and undefined are left out. */
  url(path: string, query: object = {}): string {
    const parameters = new URLSearchParams();
    for (const [name, values] of Object.entries(withoutUnset(query))) {
      for (const value of [values].flat()) parameters.append(Array.isArray(values) ? `${name}[]` : name, String(value));
    }
    const search = parameters.toString();
    return this.#url + path + (search && `?${search}`);
  }
}

/** Return a text as the UTF-8 that the gateway expects, a character for each byte: headers have no others. */
function utf8(text?: string): string | undefined {
  return text && String.fromCharCode(...new TextEncoder().encode(text));
}
