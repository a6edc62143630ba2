/** Why a step is not done yet: first what the gateway saw, then what it cannot see. */

import { plural, t } from "../../core/text.ts";

/** A reason that the gateway saw, as `GET /v2/overview` has it. */
export interface Hint {
  /** The code of the error with which pages were refused, or another name. */
  readonly code: string;
  readonly text: string;
  readonly remedy: string | null;
  /** How often it was seen in the last minutes. */
  readonly times: number;
  readonly origin: string | null;
  readonly users: readonly { readonly id: string; readonly external_id: string | null; readonly email: string | null }[];
}

export interface Reason {
  /** Whether the gateway saw it happen; otherwise it is a guess. */
  readonly seen: boolean;
  /** Whether it is shown at once: something was refused. */
  readonly prompt: boolean;
  readonly text: string;
  readonly remedy: string;
}

const TEXTS: Record<string, (origin: string) => [string, string]> = {
  origin_not_allowed: (origin) => [t("The project does not allow pages of {origin}.", { origin }), t("Add this origin under Keys.")],
  user_hmac_is_incorrect: () => [t("The signature is wrong."), t("Compute it with this project's API secret, from exactly the user's id.")],
  neither_user_hmac_nor_api_secret_provided: () => [t("The page sends no signature."), t("user-hmac is missing or empty.")],
  token_is_incorrect: () => [t("The page sends a token that this project did not issue or sign."), ""],
  token_expired: () => [t("The page sends a token that has expired."), t("Fetch a new one in getToken.")],
  user_not_found: () => [t("The page names a user that does not exist yet."), t("Send this user a notification first.")],
  user_email_not_provided: () => [t("The page names no user."), t("user-external-id and user-email are missing or empty.")],
};

/** What is true of every new project until somebody opens a page. */
const PATIENT = new Set(["recipients_never_connected", "not_stored"]);

/** Return the reasons that the gateway saw. */
export function seenReasons(hints: readonly Hint[]): Reason[] {
  return hints.map(({ code, text, remedy, times, origin, users }) => {
    const [why, how] = TEXTS[code]?.(pageOf(origin)) ?? [text.replace(/\.?$/, "."), remedy ?? ""];
    const page = origin && code !== "origin_not_allowed" ? t("Page: {origin}.", { origin: pageOf(origin) }) : "";
    const who = users.map(({ external_id, email, id }) => external_id ?? email ?? id).join(", ");
    const whom = who && t("Users: {who}.", { who });
    const often = times > 0 && !users.length ? plural(times, "Seen once in the last few minutes.", "Seen {n} times in the last few minutes.") : "";
    return { seen: true, prompt: !PATIENT.has(code), text: [why, page, whom, often].filter(Boolean).join(" "), remedy: how };
  });
}

/** Return the origin of a page in words. One that is opened as a file has the origin `null`. */
function pageOf(origin: string | null): string {
  if (origin === "null") return t("a file");
  return origin ?? t("an unknown origin");
}

/** Return why no page may have connected that the gateway knows nothing of. */
export function guesses({ gateway, signed }: { gateway: string; signed: boolean }): Reason[] {
  const { protocol, hostname } = new URL(gateway);
  const local = /^(localhost|127\.|\[::1\])/.test(hostname);
  const found: (readonly [string, string] | false)[] = [
    [t("The page that is open has no snippet yet."), t("Load it again.")],
    local && [t("The page is open on another machine."), t("{gateway} is an address of this one only.", { gateway })],
    protocol === "http:" && !local && [t("The page uses https and the gateway http."), t("Browsers block that: give the gateway a certificate.")],
    [t("The page's content security policy blocks it."), t("Add {gateway} to script-src and connect-src.", { gateway })],
    signed && [t("The page was made without $API_SECRET."), t("Set it in the terminal, and run the command again.")],
  ];
  return found.flatMap((each) => (each ? [{ seen: false, prompt: false, text: each[0], remedy: each[1] }] : []));
}
