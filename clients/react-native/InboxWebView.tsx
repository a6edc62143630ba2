/** A screen of React Native that shows the inbox in a webview, as `<inbox-list>` draws it. */

import { useMemo, useRef } from "react";
import { Linking } from "react-native";
import { WebView } from "react-native-webview";
import { inboxPage, readMessage, receiveToken } from "./page.ts";

/** `getToken` asks your backend. It is called at the start, before a token ends, and when one is refused. */
export function InboxWebView({ url, getToken }: { url: string; getToken: () => Promise<string> }) {
  const view = useRef<WebView>(null);
  const source = useMemo(() => ({ html: inboxPage({ url }), baseUrl: url }), [url]);

  async function answer(text: string) {
    const message = readMessage(text);
    if (message?.type === "token") view.current?.injectJavaScript(receiveToken(await getToken()));
    if (message?.type === "open" && message.url) await Linking.openURL(message.url);
  }

  return (
    <WebView
      ref={view}
      source={source}
      onMessage={({ nativeEvent }) => {
        answer(nativeEvent.data).catch(console.warn);
      }}
    />
  );
}
