/**
 * A device of the demo: a page of a product, with the bell in its header. The demo shows each device in a frame.
 *
 * The fragment of the address names the device. Messages to and from the page around it have a `type`.
 */

import { cut, restore } from "./network.js"; // first: it replaces fetch and WebSocket
import { InboxClient } from "../../client.js";
import { tokenOf } from "../visit.js";
import { showProduct, showTarget } from "./product.js";

// A token is valid for ten minutes. With `getToken`, a client replaces a revoked token at once; this page shows the end.
const RENEW_MS = 8 * 60_000;

const [device, transport, initials] = decodeURIComponent(location.hash.slice(1)).split(",");
const bell = document.querySelector("inbox-bell");
let client = null;
let renewing;

const report = (type, detail = {}) => parent.postMessage({ ...detail, type }, location.origin);

/** Sign in with a new token. A client that was refused continues where it was. */
async function signIn() {
  const token = await tokenOf(device);
  if (client) client.renew(token);
  else client = createClient(token);
  client.connect();
  renewing = setInterval(async () => client.renew(await tokenOf(device)), RENEW_MS);
}

function createClient(token) {
  const created = new InboxClient({ token, transports: [transport], shareConnection: false });
  created.addEventListener("state", ({ detail }) => {
    if (detail.status === "ended") clearInterval(renewing);
    report("state", { state: { ...detail } });
  });
  created.addEventListener("ready", () => report("position", { position: created.position }));
  created.addEventListener("reset", () => report("position", { position: created.position }));
  created.addEventListener("event", ({ detail: { name, position, data } }) => {
    const { title, custom_attributes: attributes } = data.notification ?? {};
    report("event", { name, position, title, delivery: attributes?.delivery });
  });
  bell.client = created;
  return created;
}

const COMMANDS = {
  cut,
  restore,
  "sign-in": () => signIn().catch(({ message }) => report("problem", { message })),
  open: () => customElements.whenDefined("inbox-bell").then(() => bell.open()),
  locale({ locale }) {
    document.documentElement.lang = locale;
    document.documentElement.dir = locale === "ar" ? "rtl" : "ltr";
    bell.setAttribute("locale", locale);
  },
  variables({ variables }) {
    for (const name of [...bell.style]) if (!(name.replace("--inbox-", "") in variables)) bell.style.removeProperty(name);
    for (const [name, value] of Object.entries(variables)) bell.style.setProperty(`--inbox-${name}`, value);
  },
  theme({ theme }) {
    document.documentElement.dataset.theme = theme;
    bell.setAttribute("theme", theme);
  },
};

addEventListener("message", ({ source, origin, data }) => {
  if (source === parent && origin === location.origin) COMMANDS[data.type]?.(data);
});
bell.addEventListener("inbox-item-click", (event) => {
  event.preventDefault(); // the product has no such pages
  showTarget(event.detail.url);
});

showProduct(initials);
report("loaded");
import("../../inbox-bell.js");
