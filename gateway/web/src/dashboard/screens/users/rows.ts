/** Rows of an import: read from CSV (RFC 4180) or JSON. */

/** A user as `POST /imports` takes it. The gateway checks it. */
export type ImportRow = Record<string, unknown>;

const FIELDS = new Set(["external_id", "email", "first_name", "last_name", "phone_numbers", "custom_attributes"]);

const SYNONYMS: Record<string, string> = {
  id: "external_id",
  user_id: "external_id",
  externalid: "external_id",
  e_mail: "email",
  mail: "email",
  firstname: "first_name",
  lastname: "last_name",
  phone: "phone_numbers",
  phone_number: "phone_numbers",
};

/** Return the rows of a text in CSV as lists of cells. Commas, semicolons or tabs separate them, whichever the first line has. */
export function parseCsv(text: string): string[][] {
  const separator = [",", ";", "\t"].sort((one, other) => count(text, other) - count(text, one))[0] ?? ",";
  const rows: string[][] = [];
  let [row, cell, quoted] = [[] as string[], "", false];
  for (let at = text.startsWith("\uFEFF") ? 1 : 0; at < text.length; at++) {
    const character = text[at];
    if (quoted) {
      if (character !== '"') cell += character;
      else if (text[at + 1] === '"') cell += text[++at];
      else quoted = false;
    } else if (character === '"' && cell === "") quoted = true;
    else if (character === separator) [row, cell] = [[...row, cell], ""];
    else if (character === "\n" || character === "\r") {
      if (character === "\r" && text[at + 1] === "\n") at++;
      rows.push([...row, cell]);
      [row, cell] = [[], ""];
    } else cell += character;
  }
  if (cell !== "" || row.length) rows.push([...row, cell]);
  return rows.filter((cells) => cells.some((each) => each.trim() !== ""));
}

function count(text: string, separator: string): number {
  return text.slice(0, text.search(/[\r\n]|$/)).split(separator).length;
}

/** Return the users in a text. Raises Error with a sentence for people. */
export function readRows(text: string): ImportRow[] {
  const trimmed = text.trim();
  if (trimmed === "") throw new Error("There is nothing in it");
  return /^[[{]/.test(trimmed) ? fromJson(trimmed) : fromCsv(text);
}

function fromJson(text: string): ImportRow[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not valid JSON: ${error instanceof Error ? error.message : error}`);
  }
  for (const name of ["import", "users", "data"]) {
    if (typeof value === "object" && value !== null && name in value) value = (value as Record<string, unknown>)[name];
  }
  if (!Array.isArray(value)) throw new Error("The JSON must be a list of users");
  return value as ImportRow[];
}

function fromCsv(text: string): ImportRow[] {
  const [head = [], ...rows] = parseCsv(text);
  const names = head.map((name) => {
    const plain = name.trim().toLowerCase().replace(/[\s-]+/g, "_");
    return SYNONYMS[plain] ?? (FIELDS.has(plain) ? plain : name.trim());
  });
  if (!names.includes("external_id") && !names.includes("email")) {
    throw new Error("The first line must name the columns, and one of them must be external_id or email");
  }
  return rows.map((cells) => rowOf(names, cells));
}

function rowOf(names: readonly string[], cells: readonly string[]): ImportRow {
  const row: ImportRow = {};
  const attributes: Record<string, unknown> = {};
  names.forEach((name, index) => {
    const cell = cells[index]?.trim() ?? "";
    if (cell === "" || name === "") return;
    if (name === "phone_numbers") row[name] = cell.split(/[;|]+/).map((number) => number.trim());
    else if (name === "custom_attributes") Object.assign(attributes, jsonObject(cell));
    else if (FIELDS.has(name)) row[name] = cell;
    else attributes[name] = scalar(cell);
  });
  return Object.keys(attributes).length ? { ...row, custom_attributes: attributes } : row;
}

function jsonObject(cell: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(cell);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // It is text.
  }
  return { custom_attributes: cell };
}

/** Return a cell as the number or the switch that it is. A number with a leading 0 or + is text, such as a postcode. */
function scalar(cell: string): unknown {
  if (/^(true|false)$/i.test(cell)) return cell.toLowerCase() === "true";
  return /^-?(0|[1-9]\d{0,14})(\.\d+)?$/.test(cell) ? Number(cell) : cell;
}
