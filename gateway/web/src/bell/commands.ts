import type { Client, Filter, Notification } from "../client/types.ts";
import type { InboxElement } from "./element.ts";
import type { MenuItem } from "./menu.ts";
import type { UndoBar } from "./undo.ts";

/** What a user does with one notification: by click, key, or menu. */
export type Commands = ReturnType<typeof commands>;

export function commands({ emit, text }: InboxElement, client: Client, bar: UndoBar) {
  // A refused action is reported by the client's "error" event, for all elements at once.
  const send = (accepted: Promise<void>) => void accepted.catch(() => {});

  let sweeping = false; // all that are read will be archived

  /** Archive those that are read now, before another becomes so. */
  function archiveFirst() {
    if (sweeping) bar.end();
  }

  function toggleRead({ id, read_at }: Notification) {
    archiveFirst();
    send(read_at === null ? client.read(id) : client.unread(id));
  }

  function toggleArchived({ id, archived_at }: Notification) {
    const unarchive = () => send(client.unarchive(id));
    if (archived_at !== null) return unarchive();
    send(client.archive(id));
    bar.show("archive", text("archived"), [text("undo"), unarchive]);
  }

  /** Delete after some seconds in which the user can undo it. */
  function remove({ id }: Notification) {
    const { commit, undo } = client.prepare("delete", id);
    bar.show("delete", text("deleted"), [text("undo"), undo], () => send(commit()));
  }

  return {
    /** Mark as read. Returns false if the page has cancelled the event, and follows the link itself. */
    open(notification: Notification, url = ""): boolean {
      archiveFirst();
      const followed = emit("inbox-item-click", { notification, url: url || null }, true);
      if (notification.read_at === null) send(client.read(notification.id));
      return followed;
    },

    /** Return what a key does. */
    byKey: { r: toggleRead, e: toggleArchived, Delete: remove, Backspace: remove } as Record<string, (notification: Notification) => void>,

    readAll(filter: Filter) {
      archiveFirst();
      send(client.readAll({ ...filter, read: false }));
    },

    /** Archive all that are read, after some seconds in which the user can undo it. */
    archiveRead(filter: Filter) {
      const { commit, undo } = client.prepare("archive", { ...filter, read: true });
      const end = (run: () => void) => () => {
        sweeping = false;
        run();
      };
      bar.show("archive", text("archived"), [text("undo"), end(undo)], end(() => send(commit())));
      sweeping = true;
    },

    menu(notification: Notification): MenuItem[] {
      const read = notification.read_at === null;
      const inbox = notification.archived_at === null;
      return [
        [read ? "check" : "dot", text(read ? "read" : "unread"), "R", () => toggleRead(notification)],
        [inbox ? "archive" : "inbox", text(inbox ? "archive" : "unarchive"), "E", () => toggleArchived(notification)],
        ["delete", text("delete"), "Del", () => remove(notification)],
      ];
    },
  };
}
