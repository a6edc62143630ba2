/** A time in relation to now, with the exact one as its tooltip. */

import { useEffect, useState } from "preact/hooks";
import { ago, dateTime, type TimeLike, toDate } from "../core/format.ts";

const AGAIN_MS = 30_000;

/** A moment: "3 min ago". A missing one is a dash. */
export function Time({ at }: { at: TimeLike | null | undefined }) {
  const [, render] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => render((count) => count + 1), AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  if (at === null || at === undefined || at === "") return <span class="quiet">–</span>;
  return (
    <time class="time" dateTime={toDate(at).toISOString()} title={dateTime(at)}>
      {ago(at)}
    </time>
  );
}
