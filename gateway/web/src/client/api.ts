import { InboxError } from "./errors.ts";
import { withoutUnset } from "./records.ts";

const REQUEST_TIMEOUT_MS = 15_000;

/** Requests to the REST API of the gateway at `baseUrl`, with the credentials of one user. */
export class Api {
  #baseUrl;
  #clientId;
  #headers;

  constructor(baseUrl, clientId, credentials) {
    this.#baseUrl = new URL(baseUrl).href.replace(/\/$/, "");
    this.#clientId = clientId;
    this.use(credentials);
  }

  /** The credentials as headers, which event streams send too. */
  get headers() {
    return this.#headers;
  }

  /** Use other credentials from now on. */
  use({ api_key, user_external_id, user_email, user_hmac, token }) {
    this.#headers = new Headers(
      withoutUnset({
        "X-MAGICBELL-API-KEY": api_key,
        "X-MAGICBELL-USER-EXTERNAL-ID": user_external_id,
        "X-MAGICBELL-USER-EMAIL": user_email,
        "X-MAGICBELL-USER-HMAC": user_hmac,
        "X-MAGICBELL-CLIENT-ID": this.#clientId,
        Authorization: token && `Bearer ${token}`,
      }),
    );
  }

  /** Return a successful response. Throws InboxError for any other status. */
  async request(method, path, query = {}) {
    const response = await fetch(this.url(path, query), {
      method,
      headers: this.#headers,
      cache: "no-store",
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    if (!response.ok) throw await InboxError.from(response);
    return response;
  }

  /** Return the URL of a path. A query value may be an array; null and undefined are left out. */
  url(path, query = {}) {
    const parameters = new URLSearchParams();
    for (const [name, values] of Object.entries(withoutUnset(query))) {
      for (const value of [values].flat()) parameters.append(name, value);
    }
    const search = parameters.toString();
    return this.#baseUrl + path + (search && `?${search}`);
  }
}
