/** The real elements of the bell, as parts of a page of the dashboard. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { InboxElement } from "../../bell/types.ts";
import { gatewayAddress } from "../core/api.ts";
import { t } from "../core/text.ts";
import { Note } from "../kit/page.tsx";
import type { PreviewClient } from "./preview_client.ts";

let loading: Promise<unknown> | undefined;

/** Load the script of the bell, once. */
function loadBell(): Promise<unknown> {
  loading ??= import(`${gatewayAddress()}/inbox-bell.js`).catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

export interface BellElementProps {
  tag: "inbox-bell" | "inbox-list";
  client: PreviewClient;
  theme: "light" | "dark";
  /** The language; by default that of the integration, else of the page. */
  locale?: string | undefined;
  class?: string;
  /** Variables of a page's own style sheet, such as `--inbox-accent`. */
  variables?: Readonly<Record<string, string>>;
}

/** An element of the bell. Links in it lead nowhere. */
export function BellElement({ tag, client, theme, locale, class: className = "", variables = {} }: BellElementProps) {
  const host = useRef<HTMLDivElement>(null);
  const element = useRef<InboxElement>(undefined);
  const [failed, setFailed] = useState(false);

  useEffect(() => {
    const made = document.createElement(tag) as InboxElement;
    made.addEventListener("inbox-item-click", (event) => event.preventDefault());
    made.setAttribute("tabs", "all unread archived");
    made.theme = theme;
    made.locale = locale || null;
    made.client = client;
    element.current = made;
    host.current?.replaceChildren(made);
    loadBell().catch(() => setFailed(true));
    return () => made.remove();
  }, [tag]);

  useEffect(() => {
    if (element.current) element.current.client = client;
  }, [client]);

  useEffect(() => {
    if (!element.current) return;
    element.current.theme = theme;
    element.current.locale = locale || null;
  }, [theme, locale]);

  const texts = JSON.stringify(variables);
  useEffect(() => {
    const style = element.current?.style;
    for (const [name, value] of Object.entries(variables)) style?.setProperty(name, value);
    return () => Object.keys(variables).forEach((name) => style?.removeProperty(name));
  }, [texts]);

  if (failed) return <Note tone="danger">{t("The bell could not be loaded. Reload the page to try again.")}</Note>;
  return <div class={className} ref={host} />;
}
