/** What people type to name a user, or a notification. */

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Return whether a text is an id that the gateway assigned. */
export function isId(text: string): boolean {
  return UUID.test(text.trim());
}

/** Return the name of a user as the API takes it: an id, `external_id:…` or `email:…`. */
export function userName(text: string): string {
  const name = text.trim();
  if (isId(name)) return name.toLowerCase();
  if (/^(email|external_id):/.test(name) || name === "") return name;
  return name.includes("@") ? `email:${name}` : `external_id:${name}`;
}
