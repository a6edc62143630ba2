/** The verdict: one sentence, and whom and what it is about. */

import type { components } from "../../core/api_types.d.ts";
import { data, projectApi } from "../../core/api.ts";
import { ApiFailure } from "../../core/failure.ts";
import { type Query, useQuery } from "../../core/query.ts";
import { t } from "../../core/text.ts";
import { Copy } from "../../kit/copy.tsx";
import { Icon } from "../../kit/icons.tsx";
import { Time } from "../../kit/time.tsx";
import { clauses, outcomeOf, type Trace } from "./trace.ts";

type ProjectUser = components["schemas"]["ProjectUser"];
type Item = components["schemas"]["V2Notification"];

const ICONS = { ok: "check", warning: "info", danger: "warning" } as const;

interface VerdictProps {
  projectId: string;
  user: string;
  notification: string;
  trace: Trace;
  /** Undefined until it is loaded. */
  about: About | undefined;
}

/** The verdict. */
export function Verdict({ projectId, user, notification, trace, about }: VerdictProps) {
  const [inbox, others] = clauses(trace.verdict);
  const outcome = outcomeOf(trace);
  return (
    <section class={`card verdict ${outcome}`} aria-label={t("Verdict")}>
      <p class="verdict-text">
        <Icon name={ICONS[outcome]} size={20} />
        <span>
          <strong>{inbox}</strong>
          {others.map((text) => (
            <span key={text} class="verdict-clause">
              {" "}
              {text}
              {/[.!?]$/.test(text) ? "" : "."}
            </span>
          ))}
        </span>
      </p>
      <AboutList projectId={projectId} user={user} notification={notification} about={about} />
    </section>
  );
}

/** Return what is there, null for what is not found. */
async function orNull<T>(found: Promise<T>): Promise<T | null> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof ApiFailure && error.status === 404) return null;
    throw error;
  }
}

/** The user and the item of a trace, null for what is gone. */
export interface About {
  person: ProjectUser | null;
  item: Item | null;
}

/** Return whom and what a trace is about. */
export function useAbout(projectId: string, user: string, notification: string): Query<About> {
  return useQuery(`${projectId} trace-about ${user} ${notification}`, async (signal) => {
    const person = await orNull(data(projectApi(projectId).GET("/v2/users/{user}", { params: { path: { user } }, signal })));
    if (!person) return { person, item: null };
    const as = person.external_id ? { externalId: person.external_id } : { email: person.email ?? "" };
    const item = await orNull(data(projectApi(projectId, as).GET("/v2/notifications/{id}", { params: { path: { id: notification } }, signal })));
    return { person, item };
  });
}

/** Return the name of a user as people say it. */
export function personName(person: ProjectUser): string {
  return [person.first_name, person.last_name].filter(Boolean).join(" ") || person.external_id || person.email || person.id;
}

function AboutList({ projectId, user, notification, about }: Omit<VerdictProps, "trace">) {
  const { person = null, item = null } = about ?? {};
  return (
    <dl class="about">
      <div>
        <dt>{t("User")}</dt>
        <dd>
          {person ? (
            <>
              <a href={`projects/${projectId}/users/${person.id}`}>{personName(person)}</a>
              <span class="quiet">
                {person.last_seen_at ? (
                  <>
                    {t("seen")} <Time at={person.last_seen_at} />
                  </>
                ) : (
                  t("never seen")
                )}
              </span>
            </>
          ) : (
            <Copy text={user} />
          )}
        </dd>
      </div>
      <div>
        <dt>{t("Notification")}</dt>
        <dd>
          <a href={`projects/${projectId}/notifications/${notification}`}>{item?.title ?? t("Show the notification")}</a>
          {item?.category && <span class="quiet">{item.category}</span>}
          <Copy text={notification} shown={`${notification.slice(0, 8)}…`} label={t("Copy the id of the notification")} />
        </dd>
      </div>
    </dl>
  );
}
