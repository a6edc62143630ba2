/** The client of previews, which elements of the bell use in place of one with a network. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { PreviewClient } from "dashboard/preview/preview_client.ts";
import { notificationOf, samples } from "dashboard/preview/samples.ts";

const client = () => new PreviewClient({ url: "https://example.com", inbox: { locale: "de" } }, [notificationOf("1", { title: "A" }), ...samples()]);
const ids = (inbox) => inbox.state.notifications.map(({ id }) => id);

test("inboxes have what their filter selects, and follow every action", async () => {
  const preview = client();
  const [unread, archived] = [preview.inbox({ filter: { read: false, archived: false } }), preview.inbox({ filter: { archived: true } })];
  const orders = preview.inbox({ filter: { categories: ["files"] } });
  assert.deepEqual([ids(unread), ids(archived), ids(orders)], [["1", "sample-0", "sample-1"], [], ["sample-1"]]);
  assert.deepEqual(preview.counts, { unreadCount: 3, unseenCount: 1 });
  let counted;
  preview.addEventListener("counts", ({ detail }) => (counted = detail));
  await preview.read("1");
  assert.deepEqual(counted, { unreadCount: 2, unseenCount: 0 });
  await preview.archive("sample-0");
  assert.deepEqual([ids(unread), ids(archived)], [["sample-1"], ["sample-0"]]);
  await preview.unarchive("sample-0");
  await preview.readAll({ read: false });
  assert.equal(unread.state.total, 0);
});

test("what is taken back was never done", async () => {
  const preview = client();
  const all = preview.inbox();
  const { undo } = preview.prepare("delete", "1");
  assert.equal(ids(all).includes("1"), false);
  undo();
  assert.equal(ids(all)[0], "1");
  preview.prepare("archive", { read: true });
  assert.equal(preview.inbox({ filter: { archived: true } }).state.total, 2);
});

test("nothing is sent, and the configuration is the one to show", async () => {
  const preview = client();
  assert.deepEqual((await (await preview.request("GET", "/config")).json()).inbox, { locale: "de" });
  await assert.rejects(preview.request("POST", "/notifications"));
  await assert.rejects(preview.get("unknown"));
});
