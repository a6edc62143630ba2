/** What became of a notification, in four figures. */

import type { components } from "../../core/api_types.d.ts";
import { number } from "../../core/format.ts";
import { t } from "../../core/text.ts";
import { Stat, Stats } from "../../kit/page.tsx";
import { shareText } from "./words.ts";

type Detail = components["schemas"]["SentDetail"];

/** The figures of a notification, and how exact they are. */
export function SentFigures({ detail }: { detail: Detail }) {
  const about = (count: number) => (detail.is_exact ? number(count) : `≈ ${number(count)}`);
  const share = (inPercent: number | null) => (inPercent === null ? undefined : shareText(inPercent, detail.is_exact));
  const seen = detail.in_inbox ? (100 * detail.seen) / detail.in_inbox : null;
  return (
    <div class="sent-figures">
      <Stats>
        <Stat label={detail.is_broadcast ? t("Reached") : t("Recipients")} value={number(detail.recipients)} />
        <Stat label={t("In the inbox")} value={about(detail.in_inbox)} note={share(detail.delivered_percent)} />
        <Stat label={t("Seen")} value={about(detail.seen)} note={share(seen)} />
        <Stat label={t("Read")} value={about(detail.read)} note={share(detail.read_percent)} />
      </Stats>
      {!detail.is_exact && (
        <p class="quiet small">
          {t("Estimated from {n} random recipients, give or take {margin}.", { n: number(detail.examined), margin: number(detail.margin) })}
        </p>
      )}
    </div>
  );
}
