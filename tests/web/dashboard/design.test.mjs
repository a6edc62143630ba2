/** The theme of the inbox as a form, its contrasts, and the same as CSS. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { contrast, cssOf, mix, weaknesses } from "dashboard/screens/design/contrast.ts";
import { themeOf, valuesOf } from "dashboard/screens/design/theme_form.ts";

const read = (text) => (/^#[0-9a-f]{6}$/.test(text) ? text : undefined);

test("a part with one value has all that the integration wants, and none is left when it is empty", () => {
  const theme = themeOf({ "dialog.accentColor": "#0d6f5c", "notification.unread.state.color": "#ff0000" }, null);
  assert.deepEqual(theme.dialog, { accentColor: "#0d6f5c", backgroundColor: "inherit", textColor: "inherit" });
  assert.deepEqual(theme.notification.unread, { state: { color: "#ff0000" }, backgroundColor: "inherit", textColor: "inherit" });
  assert.equal(theme.notification.default.margin, "inherit");
  assert.equal(theme.notification.unseen.textColor, "inherit");
  assert.deepEqual(valuesOf(theme), { "dialog.accentColor": "#0d6f5c", "notification.unread.state.color": "#ff0000" });
  assert.equal(themeOf({}, theme), null);
  assert.equal(themeOf({}, null), null);
});

test("what the form does not show stays as it was saved", () => {
  const saved = {
    banner: { backgroundColor: "red", fontSize: "14px", textColor: "white" },
    header: { backgroundColor: "#111111", borderRadius: "8px", fontFamily: "inherit", fontSize: "15px", textColor: "white" },
  };
  const theme = themeOf({ "header.backgroundColor": "#222222" }, saved);
  assert.deepEqual(theme.banner, saved.banner);
  assert.deepEqual(theme.header, { ...saved.header, backgroundColor: "#222222", borderRadius: "inherit", textColor: "inherit" });
});

test("contrasts are those of WCAG", () => {
  assert.equal(contrast("#000000", "#ffffff"), 21);
  assert.equal(contrast("#777777", "#ffffff").toFixed(2), "4.48");
  assert.equal(mix("#000000", "#ffffff", 0.5), "#808080");
});

test("weak pairs are named in each look, and the look without a theme has none", () => {
  assert.deepEqual(weaknesses(null, read), []);
  const light = themeOf({ "notification.default.textColor": "#bbbbbb" }, null);
  assert.deepEqual(
    weaknesses(light, read).map(({ look, what }) => [look, what]),
    [
      ["light", "Text on the background"],
      ["light", "Quiet text on the background"],
      ["light", "Title in the header"],
    ],
  );
  const unread = themeOf({ "notification.unread.backgroundColor": "#222222" }, null);
  assert.equal(weaknesses(unread, read)[0].what, "Text of unread notifications");
});

test("a weak pair of a theme that is the same in both looks is named once", () => {
  const values = { "notification.default.backgroundColor": "#0e1428", "notification.default.textColor": "#666677" };
  assert.deepEqual(new Set(weaknesses(themeOf(values, null), read).map(({ look }) => look)), new Set(["both"]));
});

test("a theme as CSS has the variables that pages can set", () => {
  const theme = themeOf({ "dialog.accentColor": "#0d6f5c", "header.borderRadius": "8px", "header.backgroundColor": "#333333" }, null);
  assert.equal(cssOf(theme, read), "inbox-bell,\ninbox-list {\n  --inbox-radius: 8px;\n  --inbox-accent: #0d6f5c;\n}\n");
  assert.match(cssOf(null, read), /nothing to add/);
});
