/** The time until something ends. */

import { useEffect, useState } from "preact/hooks";

/** Return how many seconds are left until a unix time, and render again each second. */
export function useSecondsLeft(at: number | null): number {
  const left = () => (at === null ? 0 : Math.max(0, at - Math.floor(Date.now() / 1000)));
  const [seconds, setSeconds] = useState(left);
  useEffect(() => {
    setSeconds(left());
    if (at === null) return;
    const timer = setInterval(() => setSeconds(left()), 1000);
    return () => clearInterval(timer);
  }, [at]);
  return seconds;
}

/** Return a number of seconds as a countdown: "2 d 03:04:05", "03:04:05". */
export function countdown(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const parts = [Math.floor((seconds % 86_400) / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  return `${days ? `${days} d ` : ""}${parts.map((part) => String(part).padStart(2, "0")).join(":")}`;
}
