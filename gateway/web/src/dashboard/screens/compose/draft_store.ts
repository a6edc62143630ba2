/** Drafts survive a reload of their tab. They are in `sessionStorage`, which no other tab reads and which ends with it. */

import { type Broadcast, type Draft, EMPTY } from "./draft.ts";

/** An attempt to send: its body, and the key by which the gateway recognises a repetition. */
export interface Attempt {
  readonly key: string;
  readonly body: string;
}

export interface Kept {
  readonly draft: Draft;
  readonly attempt: Attempt | null;
}

const keyOf = (projectId: string) => `inbox-draft-${projectId}`;

/** Return the draft of a project, an empty one if there is none. */
export function loadDraft(projectId: string): Kept {
  try {
    const kept = JSON.parse(sessionStorage.getItem(keyOf(projectId)) ?? "null") as Partial<Kept> | null;
    return { draft: { ...EMPTY, ...kept?.draft }, attempt: kept?.attempt ?? null };
  } catch {
    return { draft: EMPTY, attempt: null }; // storage is blocked, or has something else
  }
}

/** Keep the draft of a project. */
export function saveDraft(projectId: string, kept: Kept): void {
  try {
    sessionStorage.setItem(keyOf(projectId), JSON.stringify(kept));
  } catch {
    // Storage is blocked or full. The draft lasts until the page is left.
  }
}

/** Forget the draft of a project. */
export function forgetDraft(projectId: string): void {
  try {
    sessionStorage.removeItem(keyOf(projectId));
  } catch {
    // Storage is blocked.
  }
}

/** Return the attempt for a request: that of before if it is the same request, so that it is not sent twice. */
export function attemptFor(broadcast: Broadcast, before: Attempt | null): Attempt {
  const body = JSON.stringify(broadcast);
  return before?.body === body ? before : { key: crypto.randomUUID(), body };
}
