/** Return a copy of an object without the properties that are undefined or null. */
export function withoutUnset<T extends object>(record: T): Partial<T> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined && value !== null)) as Partial<T>;
}
