/** The page of themes: the live bell beside controls for its variables. */

import { startColours } from "../colours.js";
import { sendFirst, sendPreset } from "../sending.js";
import { copyFrom } from "../copying.js";
import { $, byId, element, report } from "../dom.js";
import { beginVisit } from "../visit.js";
import { mix, warnings } from "./contrast.js";
import { FONTS, GROUPS, PRESETS, VARIABLES } from "./variables.js";

const frame = $("iframe");
const inputs = new Map(); // by variable
const chosen = new Map(); // values by the name of a variable, those that differ from the defaults
let isLoaded = false;
let sent = 0;

const command = (type, detail = {}) => frame.contentWindow.postMessage({ ...detail, type }, location.origin);
const isDark = () => getComputedStyle(document.documentElement).getPropertyValue("--page").trim() !== "#fcfcfd";

/** Return the value of a variable, as the bell derives it if it is not chosen. */
function valueOf(name) {
  const { kind, light, dark, initial, share } = VARIABLES.find((variable) => variable.name === name);
  if (chosen.has(name)) return chosen.get(name);
  if (share !== undefined) return mix(valueOf("text"), valueOf("background"), share);
  if (kind !== "colour") return initial;
  return isDark() ? dark : light;
}

function control(variable) {
  const { name, label, kind, least, most } = variable;
  const input =
    kind === "font"
      ? element("select", {}, ...Object.entries(FONTS).map(([text, value]) => new Option(text, value)))
      : element("input", kind === "colour" ? { type: "color" } : { type: "range", min: least, max: most });
  input.name = name;
  inputs.set(name, input);
  input.addEventListener("input", () => {
    chosen.set(name, kind === "length" ? `${input.value}px` : input.value);
    if (input.value === "inherit") chosen.delete(name);
    markPreset(null);
    apply();
  });
  return element("label", { className: `control ${kind}` }, element("span", { textContent: label }), input, element("output"));
}

function apply() {
  for (const variable of VARIABLES) {
    const input = inputs.get(variable.name);
    const value = valueOf(variable.name);
    input.value = variable.kind === "length" ? parseInt(value, 10) : value;
    input.parentElement.classList.toggle("changed", chosen.has(variable.name));
    input.nextElementSibling.textContent = variable.kind === "font" ? "" : variable.kind === "length" ? `${input.value}px` : input.value;
  }
  const lines = [...chosen].map(([name, value]) => `  --inbox-${name}: ${value};`);
  $(".css code").textContent = lines.length ? `inbox-bell {\n${lines.join("\n")}\n}` : "/* The defaults: there is nothing to add. */";
  $(".warnings").replaceChildren(...warnings(valueOf).map((textContent) => element("li", { textContent })));
  if (isLoaded) command("variables", { variables: Object.fromEntries(chosen) });
}

function choose(name) {
  chosen.clear();
  for (const [variable, value] of Object.entries(PRESETS[name])) chosen.set(variable, value);
  markPreset(name);
  apply();
}

function markPreset(name) {
  for (const button of $(".presets").children) button.setAttribute("aria-pressed", button.textContent === name);
}

$(".groups").append(
  ...GROUPS.map(({ title, variables }) =>
    element("fieldset", {}, element("legend", { textContent: title }), ...variables.map(control)),
  ),
);
$(".presets").append(
  ...Object.keys(PRESETS).map((name) => {
    const button = element("button", { type: "button", textContent: name });
    button.addEventListener("click", () => choose(name));
    return button;
  }),
);
byId("reset").addEventListener("click", () => choose("Default"));
byId("controls").addEventListener("submit", (event) => event.preventDefault());
for (const radio of document.querySelectorAll('[name="width"]')) {
  radio.addEventListener("change", () => ($(".frame").className = `frame ${radio.value}`));
}
byId("locale").addEventListener("change", ({ target }) => command("locale", { locale: target.value }));
byId("another").addEventListener("click", () => sendPreset(sent++).catch((error) => report(byId("state"), `Not sent: ${error.message}`, true)));
copyFrom($(".copy"), $(".css code"));

addEventListener("message", ({ source, data }) => {
  if (source !== frame.contentWindow) return;
  if (data.type === "problem") report(byId("state"), data.message, true);
  if (data.type === "state") report(byId("state"), data.state.status === "live" ? "Live" : data.state.status);
  if (data.type !== "loaded") return;
  isLoaded = true;
  command("theme", { theme: document.documentElement.dataset.theme });
  command("locale", { locale: byId("locale").value });
  command("sign-in");
  command("open");
  apply();
});

startColours((theme) => {
  if (isLoaded) command("theme", { theme });
  apply();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
choose("Default");
try {
  const visit = await beginVisit();
  if (visit.is_new) await sendFirst(visit.people);
  frame.src = "device#ada-laptop,websocket,A";
} catch (error) {
  report(byId("state"), `${error.message}. Reload the page to try again.`, true);
}
