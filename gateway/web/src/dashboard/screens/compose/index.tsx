/** Compose: write a notification, see it as people will, and send it. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { data, projectApi } from "../../core/api.ts";
import { toast } from "../../core/live_region.ts";
import { useQuery } from "../../core/query.ts";
import { useStyles } from "../../core/styles.ts";
import { useCan } from "../../core/session.ts";
import { t } from "../../core/text.ts";
import { setParams, useParam } from "../../core/url_state.ts";
import { Button } from "../../kit/button.tsx";
import { confirm } from "../../kit/confirm.tsx";
import { CopyCurl } from "../../kit/copy.tsx";
import { Page } from "../../kit/page.tsx";
import { Tabs } from "../../kit/tabs.tsx";
import previewCss from "../../preview/preview.css";
import type { ScreenProps } from "../../screens.ts";
import { type Audience, peopleIn, useAudience } from "./audience_count.tsx";
import { AudienceFields } from "./audience_fields.tsx";
import css from "./compose.css";
import { ContentFields } from "./content_fields.tsx";
import { type Broadcast, broadcastOf, contentOf, type Draft, EMPTY, isEmpty, problemsOf, recipientsOf } from "./draft.ts";
import { attemptFor, forgetDraft, loadDraft, saveDraft } from "./draft_store.ts";
import { Previews, usePreview } from "./previews.tsx";
import { Progress } from "./progress.tsx";
import { TestToMe } from "./test_to_me.tsx";
import { useDebounced } from "./use_debounced.ts";
import { channelLabel, type Preview, warningsOf } from "./warnings.ts";

export default function Compose({ projectId }: ScreenProps) {
  useStyles(previewCss);
  useStyles(css);
  const [sent] = useParam("sent");
  const [expected] = useParam("of");
  if (sent)
    return <Progress projectId={projectId} id={sent} expected={Number(expected) || 0} onAgain={() => setParams({ sent: null, of: null })} />;
  return <Editor key={projectId} projectId={projectId} />;
}

/** Return the draft of a project, which survives a reload. */
function useDraft(projectId: string) {
  const [kept, setKept] = useState(() => loadDraft(projectId));
  useEffect(() => saveDraft(projectId, kept), [kept]);
  return {
    ...kept,
    set: (changes: Partial<Draft>) => setKept((before) => ({ ...before, draft: { ...before.draft, ...changes } })),
    begin(broadcast: Broadcast) {
      const attempt = attemptFor(broadcast, kept.attempt);
      setKept({ ...kept, attempt });
      saveDraft(projectId, { ...kept, attempt });
      return attempt;
    },
    clear: () => setKept({ draft: EMPTY, attempt: null }),
  };
}

function Editor({ projectId }: { projectId: string }) {
  const can = useCan();
  const { draft, attempt, set, begin, clear } = useDraft(projectId);
  const [pane, setPane] = useState("write");
  const [touched, setTouched] = useState(false);
  const form = useRef<HTMLDivElement>(null);
  const debounced = useDebounced(draft);
  const content = useMemo(() => contentOf(draft), [draft]);
  const debouncedContent = useMemo(() => contentOf(debounced), [debounced]);
  const audience = useAudience(projectId, debouncedContent, recipientsOf(debounced));
  const preview = usePreview(projectId, debouncedContent);
  const inbox = useQuery(`${projectId} inbox design`, (signal) => inboxOf(projectId, signal));
  const problems = problemsOf(draft);
  const isReady = Object.keys(problems).length === 0;
  const isNobody = audience.data?.count === 0 && audience.data.is_exact;
  const isCounted = debounced === draft && audience.data !== undefined && !audience.error;
  const broadcast = useMemo(() => broadcastOf(draft), [draft]);
  const warnings = warningsOf(draft, preview.data);

  async function send(): Promise<void> {
    setTouched(true);
    if (!isReady || !isCounted || isNobody) {
      form.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus();
      return;
    }
    const found = audience.data as Audience;
    const action = t("Send to {people}", { people: peopleIn(found) });
    if (!(await confirm({ title: `${action}?`, text: summary(draft, preview.data), action }))) return;
    const { key } = begin(broadcast);
    const accepted = await data(
      projectApi(projectId).POST("/v2/broadcasts", { body: broadcast as never, headers: { "Idempotency-Key": key } }),
    );
    clear();
    forgetDraft(projectId);
    setParams({ sent: (accepted as { id: string }).id, of: String(found.count) }, { push: true });
  }

  async function discard(): Promise<void> {
    const before = draft;
    clear();
    setTouched(false);
    toast(t("The draft is discarded"), "neutral", { label: t("Undo"), run: () => set(before) });
  }

  const curl = () => ({
    method: "POST",
    path: "/v2/broadcasts",
    body: broadcast,
    headers: { "Idempotency-Key": attemptFor(broadcast, attempt).key },
  });
  return (
    <Page
      title={t("Compose")}
      actions={
        <>
          {!isEmpty(draft) && (
            <Button kind="quiet" size="small" icon="trash" onClick={discard}>
              {t("Discard")}
            </Button>
          )}
          <CopyCurl call={curl} />
        </>
      }
    >
      <div class="compose-panes">
        <Tabs
          segmented
          label={t("Pane")}
          tabs={[
            { id: "write", label: t("Write") },
            { id: "preview", label: t("Preview") },
          ]}
          value={pane}
          onChange={setPane}
        />
      </div>
      <div class={`compose ${pane}`}>
        <div class="compose-form" ref={form}>
          <AudienceFields draft={draft} problems={touched ? problems : {}} set={set} count={audience} />
          <ContentFields draft={draft} problems={problems} set={set} touched={touched} />
        </div>
        <div class="compose-preview">
          <Previews
            content={content}
            query={preview}
            warnings={warnings}
            inbox={inbox.data}
            channelsHref={can("admin") ? `projects/${projectId}/channels` : null}
          />
        </div>
      </div>
      <div class="compose-foot">
        <TestToMe projectId={projectId} content={content} disabled={!!(problems.title || problems.attributes || problems.category)} />
        <span class="compose-space" />
        <Button kind="primary" icon="send" onClick={send} disabled={isNobody} busy={isReady && !isCounted && !audience.error}>
          {isNobody
            ? t("Nobody to send to")
            : isReady && audience.data
              ? t("Send to {people}", { people: peopleIn(audience.data) })
              : t("Send")}
        </Button>
      </div>
    </Page>
  );
}

/** Return what the `inbox` integration has, so that the bell of the preview looks as it does to users. */
async function inboxOf(projectId: string, signal: AbortSignal): Promise<object> {
  const found = await data(projectApi(projectId).GET("/v2/integrations/inbox", { signal }));
  return found.data[0]?.config ?? {};
}

/** Return what a broadcast will do, in a sentence for the confirmation. */
function summary({ title }: Draft, preview: Preview | undefined): string {
  const channels = preview?.channels.filter(({ configured }) => configured).map(({ channel }) => channelLabel(channel)) ?? [];
  const text = t("“{title}” goes out by: {channels}.", { title: title.trim(), channels: channels.join(", ") });
  return `${text} ${t("Preferences of each user apply. What was sent cannot be taken back.")}`;
}
