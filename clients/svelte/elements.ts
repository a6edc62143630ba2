import type { HTMLAttributes } from "svelte/elements";
import type { InboxAttributes, InboxElement, InboxElements, InboxEvents, InboxProperties } from "../../gateway/web/src/bell/types.ts";

/** The events as templates of Svelte 5 (`oninbox-new`) and Svelte 4 (`on:inbox-new`) name them. */
type Handlers = { [Type in keyof InboxEvents as `on${Type}` | `on:${Type}`]?: (event: InboxEvents[Type]) => void };

type Attributes = Omit<InboxAttributes, "toasts"> & { toasts?: boolean };

export type InboxElementAttributes = HTMLAttributes<InboxElement> & Attributes & InboxProperties & Handlers;

type Elements = Record<keyof InboxElements, InboxElementAttributes>;

declare module "svelte/elements" {
  export interface SvelteHTMLElements extends Elements {}
}
