/** What a step waits for, with the likely reasons if it does not come. */

import { useEffect, useState } from "preact/hooks";
import { t } from "../../core/text.ts";
import type { Reason } from "./reasons.ts";
import { PATIENCE_MS } from "./steps.ts";

export function Waiting({ text, reasons }: { text: string; reasons: readonly Reason[] }) {
  const [impatient, setImpatient] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setImpatient(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  const shown = impatient ? reasons : reasons.filter(({ prompt }) => prompt);
  return (
    <div class="awaited" role="status">
      <p>
        <span class="pulse" aria-hidden="true" />
        {text}
      </p>
      {shown.length > 0 && (
        <>
          <h4>{shown.some(({ seen }) => seen) ? t("What the gateway saw, and other likely reasons") : t("Not yet. The likely reasons")}</h4>
          <ul>
            {shown.map(({ seen, text: reason, remedy }) => (
              <li key={reason} class={seen ? "seen" : "guess"}>
                {reason} <span class="quiet">{remedy}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}
