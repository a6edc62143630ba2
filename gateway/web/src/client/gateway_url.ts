/** The address of the gateway that served this module, with the path that a proxy adds; undefined in a bundle. */
const SERVED_FROM = /^http.*\/(client|inbox-bell)(@[^/]*)?\.js([?#]|$)/.test(import.meta.url) ? new URL(".", import.meta.url).href : undefined;

/** Return the address of the gateway without a slash at the end. Throws TypeError if a client cannot connect to it. */
export function gatewayUrl(url = SERVED_FROM ?? globalThis.location?.origin): string {
  const href = URL.canParse(url) ? new URL(url).href : "";
  if (!/^https?:/.test(href)) throw new TypeError(`url must be the gateway's, such as https://inbox.example.com, not ${url}`);
  if (/^[^/]*\/\/[^/]*@|[?#]/.test(href)) throw new TypeError("url must have no password, query or fragment");
  if (globalThis.location?.protocol === "https:" && /^http:\/\/(?!localhost|127\.|\[::1\])/.test(href))
    throw new TypeError("url must begin with https, because browsers block http on a page of https");
  return href.replace(/\/$/, "");
}
