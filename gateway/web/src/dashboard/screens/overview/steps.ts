/** The steps to the first notification that somebody has seen. Each is done by what really happened. */

import type { Hint } from "./reasons.ts";

/** What a project does once, as `GET /v2/overview` has it: when it happened, or why it may not have. */
export interface Milestone {
  readonly name: string;
  /** RFC 3339. */
  readonly reached_at: string | null;
  readonly hints: readonly Hint[];
}

export type StepName = "send" | "bell" | "see";
export type StepState = "done" | "current" | "later";

export interface Step {
  readonly name: StepName;
  readonly state: StepState;
  /** When it was done, null if it is not. */
  readonly at: string | null;
  readonly hints: readonly Hint[];
}

const MILESTONES: readonly [StepName, string][] = [
  ["send", "notification"],
  ["bell", "connection"],
  ["see", "seen"],
];

/** Return the steps in their order. The first that is not done is the current one. */
export function stepsOf(milestones: readonly Milestone[]): Step[] {
  const of = (name: string) => milestones.find((milestone) => milestone.name === name);
  const seenAt = of("seen")?.reached_at ?? null;
  // Who has seen a notification had it, and a page that showed it, even if an older gateway did not note these.
  const found = MILESTONES.map(([name, milestone]) => ({
    name,
    at: of(milestone)?.reached_at ?? seenAt,
    hints: of(milestone)?.hints ?? [],
  }));
  const current = found.find(({ at }) => at === null);
  return found.map((step) => ({ ...step, state: step.at !== null ? "done" : step === current ? "current" : "later" }));
}

export const isComplete = (milestones: readonly Milestone[]) => stepsOf(milestones).every(({ state }) => state === "done");

/** After how long without a connection the reasons are shown. */
export const PATIENCE_MS = 20_000;
