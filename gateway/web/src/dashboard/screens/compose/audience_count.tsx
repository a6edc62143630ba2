/** How many people a draft would reach. */

import { data, projectApi } from "../../core/api.ts";
import { number } from "../../core/format.ts";
import { type Query, useQuery } from "../../core/query.ts";
import { plural, t } from "../../core/text.ts";
import type { Content, Recipient } from "./draft.ts";

export interface Audience {
  readonly count: number;
  readonly is_exact: boolean;
  readonly margin: number;
}

export type AudienceQuery = Query<Audience>;

/** Count the users that a draft is for. Nothing is sent. */
export function useAudience(projectId: string, { category, topic }: Content, recipients: readonly Recipient[]): AudienceQuery {
  const body = { recipients, ...(category ? { category } : {}), ...(topic ? { topic } : {}) };
  const key = recipients.length ? `${projectId} audience ${JSON.stringify(body)}` : null;
  return useQuery(key, async (signal) => data(projectApi(projectId).POST("/v2/broadcasts/audience", { body: body as never, signal })));
}

/** Return a size in words, such as "1,024 people" or "about 12,300 people". */
export function peopleIn({ count, is_exact }: Audience): string {
  return is_exact
    ? plural(count, "{n} person", "{n} people")
    : plural(rounded(count), "about {n} person", "about {n} people");
}

/** Return an estimate with as many digits as mean something. */
function rounded(count: number): number {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, count))) - 2);
  return Math.round(count / step) * step;
}

/** Return what the gateway says of an audience that it cannot read, such as where a condition is wrong. */
export function audienceProblem({ error }: AudienceQuery): string | undefined {
  return error?.status === 422 ? (Object.values(error.fields)[0] ?? error.message) : undefined;
}

export function AudienceCount({ query }: { query: AudienceQuery }) {
  const { data: found, error } = query;
  return (
    <p class="audience-count" role="status" aria-busy={query.refreshing}>
      {error ? (
        <span class="audience-error">{audienceProblem(query) ? t("Cannot be counted") : error.message}</span>
      ) : found ? (
        <>
          <b>{peopleIn(found)}</b>
          {!found.is_exact && <span class="quiet small"> ± {number(found.margin)}</span>}
        </>
      ) : (
        <span class="quiet">{query.loading ? t("Counting…") : t("Nobody yet")}</span>
      )}
    </p>
  );
}
