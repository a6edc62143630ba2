import type { Credentials as Fields } from "./api.ts";
import { withoutUnset } from "./records.ts";
import type { ClientOptions } from "./types.ts";

const TOKEN_TIMEOUT_MS = 9_000; // less than a connection may take to open
const RENEW_EARLY_MS = 60_000; // or a fifth of a shorter life
const LONGEST_TIMER_MS = 2 ** 31 - 1; // a longer one would fire at once

/** Who the user is. A token that `getToken` returned is replaced before it ends, and when it is refused. */
export class Credentials {
  #named: Fields; // with the names of the first WebSocket message
  #token: string | undefined;
  #endsAt = Infinity;
  #getToken: ClientOptions["getToken"];
  #onToken: () => void;
  #pending: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #endTimer: ReturnType<typeof setTimeout> | undefined;
  #limit: ReturnType<typeof setTimeout> | undefined;
  #replaced = false; // whether the token replaces one that was refused

  /** `onToken` is called for each new token. Throws TypeError for options that name no user. */
  constructor({ apiKey, userExternalId, userEmail, userHmac, token, getToken }: ClientOptions, onToken: () => void) {
    const texts = { apiKey, userExternalId, userEmail, userHmac, token };
    for (const [name, value] of Object.entries(texts)) {
      if (value != null && (typeof value !== "string" || !value)) throw new TypeError(`${name} must be a text, and not empty`);
    }
    if (getToken && typeof getToken !== "function") throw new TypeError("getToken must be a function that returns a token");
    const named = userExternalId ?? userEmail;
    const problem = token || getToken
      ? (named || userHmac) && "a token names the user: leave out userExternalId, userEmail and userHmac"
      : !named
        ? "name the user by token, by getToken, or by apiKey with userExternalId or userEmail"
        : !apiKey && "apiKey is missing: the project's public key";
    if (problem) throw new TypeError(problem);
    this.#named = withoutUnset({
      api_key: apiKey,
      user_external_id: userExternalId,
      user_email: userExternalId === undefined ? userEmail : undefined, // the external id takes precedence anyway
      user_hmac: userHmac,
    });
    this.#getToken = getToken;
    this.#onToken = onToken;
    if (token) this.#set(token);
  }

  get fields(): Fields {
    return withoutUnset({ ...this.#named, token: this.#token });
  }

  get token(): string | undefined {
    return this.#token;
  }

  /** A text that is the same for all tokens of one user, and for nobody else. It contains secrets. */
  get identity(): string {
    const lasting = { ...claimsOf(this.#token), iat: 0, nbf: 0, exp: 0, jti: 0 }; // these differ between tokens
    return JSON.stringify([this.#named, Object.keys(lasting).length > 4 ? lasting : this.#token]);
  }

  /** Use this token from now on. */
  use(token: string): void {
    this.#set(token);
    this.#onToken();
  }

  #set(token: string): void {
    this.#token = token;
    const { iat, exp } = claimsOf(token);
    const now = Date.now();
    const leftMs = (exp as number) * 1000 - now;
    const lifeMs = ((exp as number) - (iat as number)) * 1000;
    // A clock by which a new token is over, or lasts longer than it can, is wrong.
    this.#endsAt = now + (leftMs > 0 && !(leftMs > lifeMs) ? leftMs : lifeMs || Infinity);
  }

  /** Return whether another token can be used instead of this one, which a request was refused for. */
  async replace(token?: string): Promise<boolean> {
    if (!this.#getToken) return false;
    await (token === this.#token ? this.refresh() : this.ready());
    return true;
  }

  /** Return when there is a token, or a name. Throws what `getToken` throws. */
  async ready(): Promise<void> {
    if (!this.#token && this.#getToken) await this.refresh();
  }

  /** Replace the token by one of `getToken`, which is called once for all that wait. */
  refresh(): Promise<void> {
    return (this.#pending ??= this.#fetch().finally(() => (this.#pending = null)));
  }

  /** Whether there is another token to try after this one was refused; false if it had replaced a refused one. */
  canReplace(): boolean {
    if (!this.#getToken || this.#replaced) return false;
    this.#replaced = true;
    this.#token = undefined;
    return true;
  }

  /** The gateway accepted these credentials: call `renew` before they end, and `end` when they have ended. */
  accepted(renew: () => void, end: () => void): void {
    this.#replaced = false;
    this.stop();
    const leftMs = this.#endsAt - Date.now();
    if (leftMs < LONGEST_TIMER_MS) this.#endTimer = setTimeout(end, leftMs);
    if (!this.#getToken) return;
    const earlyMs = Math.min(RENEW_EARLY_MS, leftMs / 5) * (0.5 + Math.random()); // not all tabs at once
    if (leftMs < Infinity) this.later(renew, leftMs - earlyMs);
  }

  later(renew: () => void, ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(renew, Math.min(Math.max(ms, 1000), LONGEST_TIMER_MS));
  }

  /** Call `renew` and `end` no more. */
  stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#endTimer);
  }

  async #fetch(): Promise<void> {
    const late = new Promise((_, reject) => {
      this.#limit = setTimeout(() => reject(new Error("getToken returned nothing in time")), TOKEN_TIMEOUT_MS);
    });
    const token = await Promise.race([this.#getToken?.(), late]).finally(() => clearTimeout(this.#limit));
    if (typeof token !== "string" || !token) throw new TypeError(`getToken must return a token as a text, not ${typeof token}`);
    if (!/^[!-~]+$/.test(token.trim())) throw new TypeError("getToken returned a text that is no token, such as an error page");
    this.use(token.trim());
  }
}

/** Return the claims of a JWT, without verifying them; none for another token. */
function claimsOf(token = ""): Record<string, unknown> {
  try {
    return JSON.parse(atob((token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/"))) ?? {};
  } catch {
    return {};
  }
}
