import { defineComponent, h, onMounted, type PropType, shallowRef } from "vue";
import type { InboxElement, InboxEvents, InboxProperties, Theme } from "../../gateway/web/src/bell/types.ts";
import { attributesOf, type ElementOptions, hasCredentials, loadElements, type Tag } from "../core/elements.ts";
import { useAccess } from "./inbox.ts";

const PROPS = {
  apiKey: String,
  userExternalId: String,
  userEmail: String,
  userHmac: String,
  token: String,
  url: String,
  locale: String,
  theme: String as PropType<Theme>,
  tabs: String,
  toasts: Boolean,
  pushWorker: String,
  getToken: Function as PropType<NonNullable<InboxProperties["getToken"]>>,
  client: Object as PropType<NonNullable<InboxProperties["client"]>>,
  messages: Object as PropType<NonNullable<InboxProperties["messages"]>>,
} satisfies Record<keyof ElementOptions | keyof InboxProperties, unknown>;

const EMITS = {
  itemClick: (_event: InboxEvents["inbox-item-click"]) => true,
  new: (_event: InboxEvents["inbox-new"]) => true,
  stateChange: (_event: InboxEvents["inbox-state"]) => true,
  error: (_event: InboxEvents["inbox-error"]) => true,
};

function wrapped(tag: Tag, name: string) {
  return defineComponent({
    name,
    props: PROPS,
    emits: EMITS,
    setup(props, { emit, slots, expose }) {
      const access = useAccess();
      const element = shallowRef<InboxElement>();
      const client = () => props.client ?? (hasCredentials(props) ? null : (access?.value.client ?? null));
      const getToken = () => props.getToken!();
      expose({ element });
      onMounted(() => {
        loadElements(props.url ?? (props.client ?? access?.value.client)?.url).catch((error: unknown) => {
          console.error(error);
          emit("error", new CustomEvent("inbox-error", { detail: { error: error as Error } }));
        });
      });
      return () => {
        // "^" makes an attribute of a value, and "." a property, also before the element is defined.
        const data: Record<string, unknown> = {
          ref: element,
          ".client": client(),
          ".getToken": props.getToken ? getToken : null,
          ".messages": props.messages ?? null,
          "onInbox-item-click": (event: InboxEvents["inbox-item-click"]) => emit("itemClick", event),
          "onInbox-new": (event: InboxEvents["inbox-new"]) => emit("new", event),
          "onInbox-state": (event: InboxEvents["inbox-state"]) => emit("stateChange", event),
          "onInbox-error": (event: InboxEvents["inbox-error"]) => emit("error", event),
        };
        for (const [attribute, value] of Object.entries(attributesOf(props))) data[`^${attribute}`] = value;
        return h(tag, data, slots.default?.());
      };
    },
  });
}

/** A bell with a badge, which opens the inbox. */
export const InboxBell = wrapped("inbox-bell", "InboxBell");
/** The inbox as a part of your page. */
export const InboxList = wrapped("inbox-list", "InboxList");
/** What the user wants to receive, by category and channel. */
export const InboxPreferences = wrapped("inbox-preferences", "InboxPreferences");
