/** The address of the gateway that served this module, with the path that a proxy adds; undefined in a bundle. */
const SERVED_FROM = /^https?:[^?#]*\/(client|inbox-bell)(@[^/?#]*)?\.js([?#]|$)/.test(import.meta.url)
  ? new URL(".", import.meta.url).href
  : undefined;

/** Return the address of the gateway without a slash at the end. Throws TypeError if a client cannot connect to it. */
export function gatewayUrl(url = SERVED_FROM ?? globalThis.location?.origin): string {
  const { protocol, href, hostname } = URL.canParse(url) ? new URL(url) : { protocol: "", href: "", hostname: "" };
  if (!/^https?:$/.test(protocol)) throw new TypeError(`url must be the gateway's, such as https://inbox.example.com, not ${url}`);
  const local = /^(localhost|127\..*|\[::1\])$/.test(hostname);
  if (protocol === "http:" && globalThis.location?.protocol === "https:" && !local)
    throw new TypeError("url must begin with https, because browsers block http on a page of https");
  return href.replace(/\/$/, "");
}
