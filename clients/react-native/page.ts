/** The page that a webview of an app shows: the whole inbox. It asks the app for tokens, and says what was tapped. */

export interface InboxPage {
  /** The address of the gateway. */
  url: string;
  theme?: "light" | "dark" | "auto";
  locale?: string;
}

/** What the page posts to the app. The app answers "token" with `receiveToken`. */
export type InboxMessage = { type: "open"; id: string; url: string | null } | { type: "token" };

/** Return the page as HTML. Show it with the gateway as its base address. */
export function inboxPage({ url, theme = "auto", locale = "en" }: InboxPage): string {
  return `<!doctype html>
<html lang="${escaped(locale)}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, viewport-fit=cover">
<inbox-list theme="${theme}"></inbox-list>
<script type="module" src="${escaped(url.replace(/\/*$/, ""))}/inbox-bell.js"></script>
<script type="module">
  const post = (message) => window.ReactNativeWebView.postMessage(JSON.stringify(message));
  document.querySelector("inbox-list").getToken = () =>
    new Promise((resolve) => {
      window.receiveToken = resolve;
      post({ type: "token" });
    });
  addEventListener("inbox-item-click", (event) => {
    event.preventDefault();
    post({ type: "open", id: event.detail.notification.id, url: event.detail.url });
  });
</script>
</html>`;
}

/** Return the script that hands a token to the page. */
export function receiveToken(token: string): string {
  return `window.receiveToken?.(${JSON.stringify(token)}); true;`;
}

/** Return what a message of the page says, null for one that is not the page's. */
export function readMessage(text: string): InboxMessage | null {
  try {
    const message: unknown = JSON.parse(text);
    const type = (message as { type?: unknown } | null)?.type;
    return type === "open" || type === "token" ? (message as InboxMessage) : null;
  } catch {
    return null;
  }
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
