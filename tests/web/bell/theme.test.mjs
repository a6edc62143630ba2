/** The theme of the `inbox` integration as variables. */

import assert from "node:assert/strict";
import test from "node:test";

const { variablesOf } = await import(`${process.env.MODULES}/theme.mjs`);

const NAMES = { white: "#ffffff", black: "#000000", "rgb(0 0 0 / 0)": "rgba(0, 0, 0, 0)" };

/** Reads the colours of these tests as a browser does. */
const color = (text) => NAMES[text] ?? (/^#[\da-f]{6}$/.test(text) ? text : undefined);
const variables = (theme) => variablesOf(theme, color);

test("each part of a theme has its variable", () => {
  const theme = {
    dialog: { accentColor: "#aa0000", backgroundColor: "#eeeeee", textColor: "#111111" },
    header: { backgroundColor: "#4f46e5", borderRadius: "8px", fontFamily: "Inter, 'Open Sans'", fontSize: "15px", textColor: "white" },
    icon: { borderColor: "#222222", width: "24px" },
    notification: {
      default: { backgroundColor: "white", fontSize: "0.9rem", textColor: "black", hover: { backgroundColor: "#f0f0f0" } },
      unread: { backgroundColor: "#fafaff", state: { color: "#00aa00" } },
    },
    unseenBadge: { backgroundColor: "#dc2626" },
  };
  assert.deepEqual(variables(theme), {
    accent: "#aa0000",
    background: "#ffffff",
    badge: "#dc2626",
    dot: "#00aa00",
    font: "Inter, 'Open Sans'",
    header: "#4f46e5",
    "header-text": "#ffffff",
    hover: "#f0f0f0",
    icon: "#222222",
    "icon-size": "24px",
    radius: "8px",
    scheme: "light",
    size: "0.9rem",
    text: "#000000",
    unread: "#fafaff",
  });
});

test("a background without a text gets a text that can be read on it, and its own scheme", () => {
  const found = variables({ dialog: { backgroundColor: "#101010" }, header: { backgroundColor: "#ffffff" } });
  assert.match(found.text, /^lch\(from #101010 /);
  assert.match(found["header-text"], /^lch\(from #ffffff /);
  assert.equal(found.scheme, "dark");
  assert.equal(found.accent, undefined, "white is no accent");
});

test("a background that one can see through is left out", () => {
  assert.deepEqual(variables({ dialog: { backgroundColor: "rgb(0 0 0 / 0)" } }), {});
});

test("what is not a colour, a length or a font is left out", () => {
  for (const value of ["url(//evil)", "var(--x)", "red;}*{color:red", "inherit", "", "calc(1px)", "-3px", "9999px", "8", "1e3px", 7, null, {}])
    assert.deepEqual(
      variables({
        dialog: { accentColor: value, backgroundColor: value, textColor: value },
        header: { borderRadius: value, fontFamily: value },
        icon: { width: value },
        notification: { default: { fontSize: value } },
      }),
      {},
      String(value),
    );
});

test("a theme of any shape harms nothing", () => {
  for (const theme of [null, undefined, 1, "text", [], { header: null }, { header: [1] }, { notification: { default: 3 } }])
    assert.deepEqual(variables(theme), {});
});
