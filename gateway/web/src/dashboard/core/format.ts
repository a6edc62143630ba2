/** Numbers, times, durations and sizes as people read them. */

import { textLanguage } from "./text.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A time: milliseconds, or a text in the format of RFC 3339. Small numbers are taken for seconds. */
export type TimeLike = number | string | Date;

const formats = new Map<string, unknown>();

/** Return a format of Intl for the language of the page. Each is made once: that takes longer than to use it. */
function formatOf<T, Options>(Format: new (language: string, options?: Options) => T, options?: Options): T {
  const key = `${Format.name} ${textLanguage()} ${JSON.stringify(options)}`;
  let found = formats.get(key) as T | undefined;
  if (found === undefined) formats.set(key, (found = new Format(textLanguage(), options)));
  return found;
}

/** Return the time as a Date. */
export function toDate(time: TimeLike): Date {
  return new Date(typeof time === "number" && time < 1e11 ? time * 1000 : time);
}

/** Return a number with separators: "1,234". */
export function number(value: number, options?: Intl.NumberFormatOptions): string {
  return formatOf(Intl.NumberFormat, options).format(value);
}

/** Return a short form of a number: "12.3K". */
export function compact(value: number): string {
  return number(value, { notation: "compact", maximumFractionDigits: 1 });
}

/** Return a share between 0 and 1 in per cent: "12.5%". */
export function percent(share: number, digits = 1): string {
  return number(share, { style: "percent", maximumFractionDigits: digits });
}

/** Return a number of bytes: "1.2 MB". */
export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; Math.abs(count) >= 1000 && unit < units.length - 1; unit++) count /= 1000;
  return `${number(count, { maximumFractionDigits: count < 10 && unit > 0 ? 1 : 0 })} ${units[unit]}`;
}

/** Return a duration: "340 ms", "2.5 s", "3 min", "2 h 5 min", "4 d". */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${number(Math.round(milliseconds))} ms`;
  if (milliseconds < MINUTE) return `${number(milliseconds / 1000, { maximumFractionDigits: 1 })} s`;
  if (milliseconds < HOUR) return `${number(Math.round(milliseconds / MINUTE))} min`;
  const [hours, minutes] = [Math.floor(milliseconds / HOUR), Math.round((milliseconds % HOUR) / MINUTE)];
  if (milliseconds < 2 * DAY) return minutes && hours < 10 ? `${hours} h ${minutes} min` : `${hours} h`;
  return `${number(Math.floor(milliseconds / DAY))} d`;
}

/** Return a time in relation to now: "just now", "3 min ago", "in 2 h", and the date of times more than a week away. */
export function ago(time: TimeLike, now = Date.now()): string {
  const date = toDate(time);
  const distance = date.getTime() - now;
  const size = Math.abs(distance);
  if (size > 7 * DAY) return dateOnly(date);
  const format = formatOf(Intl.RelativeTimeFormat, { numeric: "auto", style: "short" });
  if (size < 45_000) return size < 10_000 ? format.format(0, "second") : format.format(Math.round(distance / 1000), "second");
  if (size < 50 * MINUTE) return format.format(Math.round(distance / MINUTE), "minute");
  if (size < 22 * HOUR) return format.format(Math.round(distance / HOUR), "hour");
  return format.format(Math.round(distance / DAY), "day");
}

/** Return the date and the time to the second, in the reader's time zone. */
export function dateTime(time: TimeLike): string {
  return formatOf(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "medium" }).format(toDate(time));
}

/** Return the date. */
export function dateOnly(time: TimeLike): string {
  return formatOf(Intl.DateTimeFormat, { dateStyle: "medium" }).format(toDate(time));
}

/** Return the time of day to the second, or to the millisecond. */
export function clock(time: TimeLike, fractions = false): string {
  const options: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
  return formatOf(Intl.DateTimeFormat, fractions ? { ...options, fractionalSecondDigits: 3 } : options).format(toDate(time));
}
