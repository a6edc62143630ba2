const UNITS = [
  ["second", 60],
  ["minute", 60],
  ["hour", 24],
  ["day", 7],
] as const;

const formats = new Map<string, ReturnType<typeof formatsOf>>();

function formatsOf(language: string) {
  return {
    relative: new Intl.RelativeTimeFormat(language, { style: "narrow", numeric: "auto" }),
    date: new Intl.DateTimeFormat(language, { day: "numeric", month: "short" }),
    year: new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric" }),
    full: new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "short" }),
  };
}

function cached(language: string) {
  let found = formats.get(language);
  if (!found) formats.set(language, (found = formatsOf(language)));
  return found;
}

/** Return how long ago a time was, and after a week its date. Times are in seconds. */
export function ago(at: number, language: string, now = Date.now() / 1000): string {
  const { relative, date, year } = cached(language);
  let passed = Math.max(0, now - at);
  if (passed < 45) return relative.format(0, "second");
  for (const [unit, size] of UNITS) {
    const whole = Math.round(passed);
    if (whole < size) return relative.format(-whole, unit);
    passed /= size;
  }
  const then = new Date(at * 1000);
  return (then.getFullYear() === new Date(now * 1000).getFullYear() ? date : year).format(then);
}

/** Return a time in full. */
export function exactly(at: number, language: string): string {
  return cached(language).full.format(at * 1000);
}
