import { type CSSProperties, type ReactNode, type Ref, createElement, forwardRef, useEffect, useLayoutEffect, useRef } from "react";
import type { InboxElement, InboxEvents, InboxProperties } from "../../gateway/web/src/bell/types.ts";
import { attributesOf, type ElementOptions, EVENTS, hasCredentials, loadElements, type Tag } from "../core/elements.ts";
import { useAccess } from "./provider.tsx";

/** Attributes, properties and events of the elements. Inside `<InboxProvider>` none is needed. */
export interface InboxElementProps extends ElementOptions, InboxProperties {
  onItemClick?: (event: InboxEvents["inbox-item-click"]) => void;
  onNew?: (event: InboxEvents["inbox-new"]) => void;
  onStateChange?: (event: InboxEvents["inbox-state"]) => void;
  onError?: (event: InboxEvents["inbox-error"]) => void;
  className?: string;
  id?: string;
  style?: CSSProperties & Partial<Record<`--inbox-${string}`, string>>;
  /** Content of slots: `<p slot="empty">…</p>`. */
  children?: ReactNode;
}

const HANDLERS = {
  "inbox-item-click": "onItemClick",
  "inbox-new": "onNew",
  "inbox-state": "onStateChange",
  "inbox-error": "onError",
} as const satisfies Record<keyof InboxEvents, keyof InboxElementProps>;

// Properties are set before the element draws itself. On a server there is nothing to set, and React 18 would warn.
const useEarlyEffect = typeof document === "undefined" ? useEffect : useLayoutEffect;

function wrapped(tag: Tag, name: string) {
  const Wrapper = forwardRef(function Wrapper(props: InboxElementProps, outer: Ref<InboxElement>) {
    const access = useAccess();
    const element = useRef<InboxElement | null>(null);
    const latest = useRef(props);
    const client = props.client ?? (hasCredentials(props) ? null : (access?.client ?? null));
    const { getToken, messages = null } = props;
    const renews = Boolean(getToken);
    const url = props.url ?? client?.url ?? access?.client.url;

    useEarlyEffect(() => {
      latest.current = props;
    });
    useEarlyEffect(() => {
      element.current!.client = client;
    }, [client]);
    useEarlyEffect(() => {
      element.current!.messages = messages;
    }, [messages]);
    useEarlyEffect(() => {
      element.current!.getToken = renews ? () => latest.current.getToken!() : null;
    }, [renews]);
    useEffect(() => {
      const target = element.current!;
      const listener = (event: Event) => {
        latest.current[HANDLERS[event.type as keyof InboxEvents]]?.(event as never);
      };
      for (const type of EVENTS) target.addEventListener(type, listener);
      loadElements(url).catch((error: unknown) => {
        console.error(error);
        target.dispatchEvent(new CustomEvent("inbox-error", { detail: { error }, bubbles: true, composed: true }));
      });
      return () => {
        for (const type of EVENTS) target.removeEventListener(type, listener);
      };
    }, [url]);

    return createElement(
      tag,
      {
        ...attributesOf(props),
        class: props.className, // React 18 knows no `className` of custom elements
        id: props.id,
        style: props.style,
        ref: (found: InboxElement | null) => {
          element.current = found;
          if (typeof outer === "function") outer(found);
          else if (outer) (outer as { current: InboxElement | null }).current = found;
        },
      },
      props.children,
    );
  });
  Wrapper.displayName = name;
  return Wrapper;
}

/** A bell with a badge, which opens the inbox. */
export const InboxBell = wrapped("inbox-bell", "InboxBell");
/** The inbox as a part of your page. */
export const InboxList = wrapped("inbox-list", "InboxList");
/** What the user wants to receive, by category and channel. */
export const InboxPreferences = wrapped("inbox-preferences", "InboxPreferences");
