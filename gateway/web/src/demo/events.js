import { spelled } from "./composer.js";
import { $, element } from "./dom.js";

const SHOWN = 60;
const NAMES = { "seen/all": "all seen", "read/all": "all read", "archive/all": "all archived" };

const list = $(".strip ol");
const rows = new Map(); // by person and position

/** Add an event to the strip, or another device that has received it. `ms` is how long it took, if that is known. */
export function addEvent(device, { name, position, title }, ms) {
  const key = `${device.person} ${position}`;
  if (!rows.has(key)) {
    const what = name.replace("notifications/", "");
    rows.set(key, addRow(device, title ? `new · ${title}` : (NAMES[what] ?? what), position));
  }
  note(rows.get(key), ms === undefined ? device.kind : `${device.kind} ${spelled(ms)}`);
}

/** Add a change of a device's connection to the strip. */
export function addState(device, text) {
  note(addRow(device, text, ""), device.kind);
}

function addRow(device, name, position) {
  const row = element(
    "li",
    {},
    element("span", { className: "name", textContent: name, title: name }),
    element("span", { className: "position", textContent: position }),
    element("span", { className: "who", textContent: device.name }),
  );
  row.dataset.name = name;
  list.prepend(row);
  while (list.children.length > SHOWN) list.lastElementChild.remove();
  if (rows.size > 2 * SHOWN) for (const [key, old] of rows) if (!old.isConnected) rows.delete(key);
  return row;
}

function note(row, text) {
  $(".who", row).textContent += ` · ${text}`;
}
