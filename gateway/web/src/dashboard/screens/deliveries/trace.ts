/** The trace of a notification to a user, arranged as people read it: stages on the way to the inbox, and channels. */

import type { components } from "../../core/api_types.d.ts";

export type Trace = components["schemas"]["TraceAnswer"];
export type TraceStep = Trace["steps"][number];

/** `unknown` is what is not recorded, or cannot be told any more. `missed` follows the stage that stopped it. */
export type StageState = "done" | "stopped" | "waiting" | "unknown" | "missed";

export type StageName = "accepted" | "matched" | "rules" | "stored" | "pushed" | "seen" | "read";

export interface Stage {
  name: StageName;
  state: StageState;
  at: string | null;
  /** What the step says, "" for none. */
  text: string;
}

/** The tries to deliver on one channel, and how far they are. */
export interface ChannelTrace {
  channel: string;
  /** The steps that sum up a delivery: one for each way that the channel has, such as APNs and FCM. */
  deliveries: TraceStep[];
  /** The steps of single destinations. */
  attempts: TraceStep[];
  /** What else happened: it was scheduled, its template failed, the provider corrected itself. */
  notes: TraceStep[];
  isLeftOut: boolean;
}

const FAILED = new Set(["refused", "dead", "failed", "unknown", "undelivered"]);
const PENDING = new Set(["scheduled", "sending", "retry", "handed"]);

/** Return whether a delivery in this state did not reach the user, or may not have. */
export function hasFailed(state: string | null): boolean {
  return state !== null && FAILED.has(state);
}

/** Return whether a delivery has ended. */
export function isOver({ state }: TraceStep): boolean {
  return state === null || !PENDING.has(state);
}

/** Return whether something is still going to happen. */
export function isPending(trace: Trace): boolean {
  return trace.steps.some((step) => step.type === "delivery" && !isOver(step));
}

/** Return whether a delivery may be tried again: the gateway decides, and says why not. */
export function mayRetry({ deliveries, isLeftOut, channel }: ChannelTrace): boolean {
  if (isLeftOut || channel === "webhook") return false;
  return deliveries.some(({ state }) => hasFailed(state) || state === "skipped");
}

/** Return the parts of a verdict: what became of the inbox, and of each channel. Together they are its sentence. */
export function clauses(verdict: string): [string, string[]] {
  const [first = "", ...rest] = verdict.split("; ");
  return [rest.length && !/[.!?]$/.test(first) ? `${first}.` : first, rest.map((text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}`)];
}

export type Outcome = "ok" | "warning" | "danger";

/** Return how the verdict looks: whether the user has it, something failed, or it was kept out of the inbox. */
export function outcomeOf(trace: Trace): Outcome {
  const deliveries = trace.steps.filter(({ type }) => type === "delivery");
  if (deliveries.some(({ state }) => hasFailed(state)) || trace.steps.some(({ type }) => type === "parked")) return "danger";
  const isThere = trace.steps.some(({ type }) => type === "stored") && !trace.steps.some(({ type }) => /deleted$/.test(type));
  if (trace.steps.some(({ type }) => type === "suppressed")) return "warning"; // the sentence begins with the inbox
  return isThere || deliveries.some(({ state }) => state === "delivered") ? "ok" : "warning";
}

/** Return the stages on the way to the inbox, in their order. */
export function stages(trace: Trace): Stage[] {
  const find = (...types: string[]) => trace.steps.find(({ type }) => types.includes(type));
  const stage = (name: StageName, state: StageState, step?: TraceStep): Stage => ({ name, state, at: step?.at ?? null, text: step?.text ?? "" });
  const [accepted, broadcast, matched, suppressed, stored, seen, read] = ["accepted", "broadcast", "matched", "suppressed", "stored", "seen", "read"].map((type) => find(type));
  const gone = find("deleted", "user_deleted");
  const isMissing = !stored && !suppressed;
  const rule = suppressed ?? find("preference", "topic");
  const unmatched = broadcast !== undefined && !matched && isMissing;
  const isWaiting = broadcast !== undefined && !["processed", "canceled"].includes(broadcast.state ?? "");
  const isStopped = suppressed !== undefined || (unmatched && !isWaiting);
  const rest: StageState = isStopped ? "missed" : "unknown";
  const later = (step: TraceStep | undefined, implied?: TraceStep): StageState => (step || implied ? "done" : stored && !gone ? "waiting" : rest);
  return [
    stage("accepted", accepted ? "done" : "unknown", accepted),
    stage("matched", unmatched ? (isWaiting ? "waiting" : "stopped") : matched || stored || suppressed ? "done" : "unknown", matched ?? (unmatched ? broadcast : undefined)),
    stage("rules", suppressed ? "stopped" : stored ? "done" : rest, rule),
    stage("stored", stored ? "done" : rest, stored),
    stage("pushed", seen || read ? "done" : rest),
    stage("seen", later(seen, read), seen),
    stage("read", later(read), read),
  ];
}

/** Return what happened on each channel besides the inbox. Those with deliveries are first, those left out last. */
export function channels(trace: Trace): ChannelTrace[] {
  const found = new Map<string, ChannelTrace>();
  for (const step of trace.steps) {
    if (!step.channel || step.channel === "in_app") continue;
    let entry = found.get(step.channel);
    if (!entry) {
      entry = { channel: step.channel, deliveries: [], attempts: [], notes: [], isLeftOut: true };
      found.set(step.channel, entry);
    }
    if (step.type !== "left_out") entry.isLeftOut = false;
    (step.type === "delivery" ? entry.deliveries : step.type === "attempt" ? entry.attempts : entry.notes).push(step);
  }
  return [...found.values()].sort((one, other) => Number(one.isLeftOut) - Number(other.isLeftOut));
}
