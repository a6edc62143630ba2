import { copyFrom } from "./copying.js";
import { $, element } from "./dom.js";

const GATEWAY = new URL(".", location.href).href.replace(/\/$/, "");

const SNIPPETS = {
  HTML: {
    code: `<script type="module" src="${GATEWAY}/inbox-bell.js"></script>

<inbox-bell
  api-key="YOUR_API_KEY"
  user-external-id="ada"
  user-hmac="SIGNED_BY_YOUR_BACKEND"
></inbox-bell>`,
    note: "Your backend signs the id of the user with the API secret: base64(HMAC-SHA256(secret, id)).",
  },
  React: {
    code: `import { InboxBell } from "inbox-gateway-react";

export function Header({ user }) {
  return (
    <InboxBell
      url="${GATEWAY}"
      apiKey="YOUR_API_KEY"
      userExternalId={user.id}
      userHmac={user.hmac}
    />
  );
}`,
    note: "There are wrappers for Vue and Svelte too, and a client without any looks.",
  },
  curl: {
    code: `curl -X POST ${GATEWAY}/notifications \\
  -H "X-MAGICBELL-API-KEY: $API_KEY" \\
  -H "X-MAGICBELL-API-SECRET: $API_SECRET" \\
  -d '{"notification": {
        "title": "Order #1042 has shipped",
        "category": "orders",
        "action_url": "https://northwind.example/orders/1042",
        "recipients": [{"external_id": "ada"}]
      }}'`,
    note: "The keys of the demo project are in data/demo-project.env: source that file in a shell.",
  },
};

/** Show the snippets as tabs. */
export function startSnippet() {
  const tabs = Object.keys(SNIPPETS).map((name) => {
    const tab = element("button", { type: "button", textContent: name });
    tab.setAttribute("role", "tab");
    tab.addEventListener("click", () => show(name));
    return tab;
  });
  const show = (name) => {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", tab.textContent === name);
      tab.tabIndex = tab.textContent === name ? 0 : -1;
    }
    $(".snippet code").textContent = SNIPPETS[name].code;
    $(".snippet .note").textContent = SNIPPETS[name].note;
  };
  const list = $(".snippet [role=tablist]");
  list.append(...tabs);
  list.addEventListener("keydown", ({ key }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
  });
  copyFrom($(".copy"), $(".snippet code"));
  show("HTML");
}
