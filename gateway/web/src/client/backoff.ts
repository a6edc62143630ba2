const BACKOFF_START_MS = 1_000;
const BACKOFF_LIMIT_MS = 30_000;

/**
 * Return how long to wait before the next attempt: the time that the server asked for, plus a random part
 * of a time that doubles with each attempt. All of it is random ("full jitter"), which spreads many clients best.
 */
export function retryDelayMs(attempt: number, askedForMs = 0): number {
  return askedForMs + Math.random() * Math.min(BACKOFF_LIMIT_MS, BACKOFF_START_MS * 2 ** attempt);
}

/** Whether a close code rules out reconnecting: 4500-4999 by definition; 1008 (policy) and 1009 (too big) would recur. */
export function isPermanent(closeCode = 0): boolean {
  return closeCode === 1008 || closeCode === 1009 || (closeCode >= 4500 && closeCode <= 4999);
}
