/**
 * The keys of the project: `{apiKey, apiSecret}`.
 *
 * The fragment of the address contains them, which browsers never send to a server. They are moved to this tab's
 * storage, so that neither the address bar nor the history keeps them.
 */

const STORED_KEYS = "inbox-demo-keys";

/** Return the keys, null if there are none. Moves those in the address to the storage. */
export function readKeys() {
  const fragment = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B")); // a + is part of base64
  const keys = { apiKey: fragment.get("api_key"), apiSecret: fragment.get("api_secret") };
  if (keys.apiKey && keys.apiSecret) {
    storeKeys(keys);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return JSON.parse(sessionStorage.getItem(STORED_KEYS));
}

export function storeKeys(keys) {
  sessionStorage.setItem(STORED_KEYS, JSON.stringify(keys));
}

export function forgetKeys() {
  sessionStorage.removeItem(STORED_KEYS);
}
