/** Small words in a colour: labels, and states. */

import type { ComponentChildren } from "preact";

export type Tone = "neutral" | "accent" | "ok" | "warning" | "danger";

/** A label. */
export function Badge({ tone = "neutral", children }: { tone?: Tone; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

/** A state: a dot in a colour, and its word. `pulse` is for what happens at this moment. */
export function Status({ tone = "neutral", pulse, children }: { tone?: Tone; pulse?: boolean; children: ComponentChildren }) {
  return (
    <span class={`status ${tone}`}>
      <span class={pulse ? "dot pulse" : "dot"} aria-hidden="true" />
      {children}
    </span>
  );
}
