/** The answer to "why did X not get N?": one sentence, the way to the inbox, each channel, and all steps by time. */

import { data, projectApi } from "../../core/api.ts";
import { useQuery } from "../../core/query.ts";
import { t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { Code, CopyCurl } from "../../kit/copy.tsx";
import { Page } from "../../kit/page.tsx";
import { Empty, Failure, Loaded } from "../../kit/states.tsx";
import { ChannelCards } from "./channel_cards.tsx";
import { QuestionForm } from "./question.tsx";
import { Rail } from "./rail.tsx";
import { Timeline } from "./timeline.tsx";
import { isPending, type Trace } from "./trace.ts";
import { TraceSkeleton } from "./trace_skeleton.tsx";
import { type About, personName, useAbout, Verdict } from "./verdict.tsx";

const AGAIN_MS = 3_000;

/** The trace of a notification to a user. It is loaded again while a delivery is under way. */
export function TracePage({ projectId, user, notification }: { projectId: string; user: string; notification: string }) {
  const path = { user, id: notification };
  const key = `${projectId} trace ${user} ${notification}`;
  const load = (signal: AbortSignal) =>
    data(projectApi(projectId).GET("/v2/users/{user}/notifications/{id}/trace", { params: { path }, signal }));
  const trace = useQuery(key, load);
  useQuery(trace.data && isPending(trace.data) ? `${key} again` : null, async (signal) => {
    await load(signal);
    trace.refetch();
    return null;
  }, { everyMs: AGAIN_MS });
  const about = useAbout(projectId, user, notification);
  const { person, item } = about.data ?? {};
  const call = { path: `/v2/users/${encodeURIComponent(user)}/notifications/${notification}/trace` };
  return (
    <Page
      title={person && item ? t("Did {name} get “{title}”?", { name: personName(person), title: item.title }) : t("Why did they not get it?")}
      above={[{ label: t("Deliveries"), href: `projects/${projectId}/deliveries` }]}
      actions={
        <>
          <CopyCurl call={call} />
          <Button size="small" icon="refresh" kind="quiet" onClick={trace.refetch}>
            {t("Refresh")}
          </Button>
        </>
      }
    >
      <QuestionForm projectId={projectId} user={user} notification={notification} />
      {trace.error?.status === 404 && trace.data === undefined ? (
        <NotFound projectId={projectId} user={user} notification={notification} message={trace.error.message} />
      ) : (
        <>
          {trace.error && trace.data !== undefined && <Failure what={t("The trace could not be loaded again")} error={trace.error} retry={trace.refetch} />}
          <Loaded query={trace} what={t("The trace could not be loaded")} skeleton={<TraceSkeleton />}>
            {(found) => <Answer projectId={projectId} user={user} notification={notification} trace={found} about={about.data} onChange={trace.refetch} />}
          </Loaded>
        </>
      )}
    </Page>
  );
}

interface AnswerProps {
  projectId: string;
  user: string;
  notification: string;
  trace: Trace;
  about: About | undefined;
  onChange: () => void;
}

function Answer({ projectId, user, notification, trace, about, onChange }: AnswerProps) {
  return (
    <>
      <Verdict projectId={projectId} user={user} notification={notification} trace={trace} about={about} />
      <Rail projectId={projectId} user={user} trace={trace} />
      <div class="trace-columns">
        <Timeline trace={trace} />
        <ChannelCards projectId={projectId} user={user} notification={notification} trace={trace} onChange={onChange} />
      </div>
      <details class="trace-json">
        <summary>{t("Show as JSON")}</summary>
        <Code json={trace} label={t("The trace as JSON")} />
      </details>
    </>
  );
}

function NotFound({ projectId, user, notification, message }: { projectId: string; user: string; notification: string; message: string }) {
  const isUser = message.toLowerCase().includes("user");
  const other = isUser ? `notification=${encodeURIComponent(notification)}` : `user=${encodeURIComponent(user)}`;
  return (
    <Empty
      icon="search"
      title={isUser ? t("There is no such user") : t("There is no such notification")}
      action={
        <Button href={`projects/${projectId}/deliveries?${other}`}>
          {isUser ? t("Show who got the notification") : t("Show what the user got")}
        </Button>
      }
    >
      {isUser
        ? t("Nobody in this project has this id, external id or email, and no event mentions a deleted user.")
        : t("It was not sent in this project, or so long ago that nothing of it is stored any more.")}
    </Empty>
  );
}
