/** What a developer pastes to see the first notification: commands and code with the real address and API key. */

export interface Place {
  /** The address of the gateway, without a slash at its end. */
  readonly gateway: string;
  readonly apiKey: string;
  /** The external id of the user of the examples. */
  readonly user: string;
  /** Whether users must be signed. */
  readonly signed: boolean;
}

export interface Snippet {
  readonly name: string;
  readonly language: "sh" | "html" | "jsx" | "vue";
  readonly code: string;
}

export const FIRST_TITLE = "Hello from the dashboard";

/** The body of the first notification, as the request and the button send it. */
export const firstNotification = (user: string) => ({
  notification: { title: FIRST_TITLE, content: "Your inbox works.", recipients: [{ external_id: user }] },
});

/** Return the command that sends the first notification. */
export function sendCommand({ gateway, apiKey, user }: Place): string {
  return `curl -sS ${shell(`${gateway}/notifications`)} \\
  -H ${shell(`X-MAGICBELL-API-KEY: ${apiKey}`)} \\
  -H "X-MAGICBELL-API-SECRET: $API_SECRET" \\
  -H "Content-Type: application/json" \\
  -d ${shell(JSON.stringify(firstNotification(user)))}`;
}

/** Return the ways to put the bell on a page. The first one is complete: it writes a page with a signed user. */
export function bellSnippets(place: Place): Snippet[] {
  return [
    { name: "Test page", language: "sh", code: testPage(place) },
    { name: "HTML", language: "html", code: html(place) },
    { name: "React", language: "jsx", code: react(place) },
    { name: "Vue", language: "vue", code: vue(place) },
  ];
}

/** Return the command that signs the user, whose result the page needs as `user-hmac`. */
export const signCommand = (user: string) => `printf %s ${shell(user)} | openssl dgst -sha256 -hmac "$API_SECRET" -binary | base64`;

function testPage({ gateway, apiKey, user, signed }: Place): string {
  const hmac = signed ? ` user-hmac="$HMAC"` : "";
  return `${signed ? `HMAC=$(${signCommand(user)})\n` : ""}cat > inbox.html <<PAGE
<!doctype html>
<script type="module" src="${gateway}/inbox-bell.js"></script>
<inbox-bell api-key="${apiKey}" user-external-id="${user}"${hmac}></inbox-bell>
PAGE
echo "Open this in your browser: file://$PWD/inbox.html"`;
}

function html({ gateway, apiKey, user, signed }: Place): string {
  const hmac = signed ? `\n  user-hmac="SIGNED_BY_YOUR_BACKEND"` : "";
  return `<script type="module" src="${gateway}/inbox-bell.js"></script>

<inbox-bell
  api-key="${apiKey}"
  user-external-id="${user}"${hmac}
></inbox-bell>`;
}

function react({ gateway, apiKey, signed }: Place): string {
  return `import { InboxBell } from "inbox-gateway-react";

export function Header({ user }) {
  return (
    <InboxBell
      url="${gateway}"
      apiKey="${apiKey}"
      userExternalId={user.id}${signed ? "\n      userHmac={user.inboxHmac}" : ""}
    />
  );
}`;
}

function vue({ gateway, apiKey, signed }: Place): string {
  return `<script setup>
import { InboxBell } from "inbox-gateway-vue";

defineProps(["user"]);
</script>

<template>
  <InboxBell
    url="${gateway}"
    api-key="${apiKey}"
    :user-external-id="user.id"${signed ? '\n    :user-hmac="user.inboxHmac"' : ""}
  />
</template>`;
}

/** Quote a text for a POSIX shell. */
const shell = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
