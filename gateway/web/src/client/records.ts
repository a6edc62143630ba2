/** Return a copy of an object without the properties that are undefined or null. */
export function withoutUnset(record) {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined && value !== null));
}
