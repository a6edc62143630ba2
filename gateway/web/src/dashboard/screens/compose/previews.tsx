/** What the draft looks like on every channel, while it is written. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { data, gatewayAddress, projectApi } from "../../core/api.ts";
import { type Query, useQuery } from "../../core/query.ts";
import { t } from "../../core/text.ts";
import { isDark } from "../../core/theme.ts";
import { Note } from "../../kit/page.tsx";
import { Failure, Skeleton } from "../../kit/states.tsx";
import { Tabs } from "../../kit/tabs.tsx";
import { InboxPreview } from "../../preview/inbox_preview.tsx";
import { PreviewClient } from "../../preview/preview_client.ts";
import { notificationOf, samples } from "../../preview/samples.ts";
import { PushPreview, SlackPreview, SmsPreview, TeamsPreview, WebPushPreview } from "./device_previews.tsx";
import type { Content } from "./draft.ts";
import { MailPreview } from "./mail_preview.tsx";
import { type ChannelPreview, type Preview, type Warning } from "./warnings.ts";

type Theme = "light" | "dark";

/** Render a draft on the gateway, as it would be sent. */
export function usePreview(projectId: string, content: Content): Query<Preview> {
  const key = `${projectId} preview ${JSON.stringify(content)}`;
  const load = async (signal: AbortSignal) => data(projectApi(projectId).POST("/v2/previews", { body: content as never, signal }));
  return useQuery(key, load as (signal: AbortSignal) => Promise<Preview>, { keep: true });
}

const DRAFT_ID = "draft";

/** Return a client whose inbox has the draft as its newest notification. */
function useDraftClient(content: Content, inbox: object | undefined): PreviewClient {
  const client = useMemo(() => new PreviewClient({ url: gatewayAddress(), inbox }, samples().slice(1)), [JSON.stringify(inbox)]);
  const shown = useMemo(() => {
    const own = content.overrides?.channels.in_app;
    return notificationOf(DRAFT_ID, {
      title: own?.title || content.title || t("The title"),
      content: own?.content || content.content || null,
      action_url: own?.action_url || content.action_url || null,
      category: content.category ?? null,
      topic: content.topic ?? null,
      custom_attributes: content.custom_attributes ?? null,
    });
  }, [JSON.stringify(content)]);
  useEffect(() => {
    const others = client.notifications.filter(({ id }) => id !== DRAFT_ID);
    client.replace([shown, ...others]);
  }, [client, shown]);
  return client;
}

const VIEWS = [
  ["inbox", t("Inbox"), ["in_app"]],
  ["mail", t("Email"), ["email"]],
  ["push", t("Push"), ["mobile_push", "web_push"]],
  ["sms", t("SMS"), ["sms"]],
  ["chat", t("Chat"), ["slack", "teams"]],
] as const;

export interface PreviewsProps {
  content: Content;
  query: Query<Preview>;
  warnings: readonly Warning[];
  inbox: object | undefined;
  channelsHref: string | null;
}

export function Previews({ content, query, warnings, inbox, channelsHref }: PreviewsProps) {
  const [view, setView] = useState<string>("inbox");
  const [look, setLook] = useState<string>(isDark() ? "dark" : "light");
  const client = useDraftClient(content, inbox);
  const preview = query.data;
  const theme: Theme = look === "dark" ? "dark" : "light";
  const looks = [
    { id: "light", label: t("Light") },
    { id: "dark", label: t("Dark") },
    ...(view === "inbox" ? [{ id: "phone", label: t("Phone") }] : []),
  ];
  const shownLook = looks.some(({ id }) => id === look) ? look : "light";
  const of = (name: string) => preview?.channels.find(({ channel }) => channel === name) as ChannelPreview;
  const channels = VIEWS.find(([id]) => id === view)?.[2] ?? [];
  const missing = preview ? channels.every((name) => !of(name)?.configured) : false;
  return (
    <section class="previews" aria-label={t("Preview")}>
      <Tabs label={t("Preview")} tabs={VIEWS.map(([id, label]) => ({ id, label }))} value={view} onChange={setView} />
      <div class="previews-head">
        <Tabs segmented label={t("Look")} tabs={looks} value={shownLook} onChange={setLook} />
        {missing && (
          <p class="quiet small">
            {t("Not configured.")} {channelsHref && <a href={channelsHref}>{t("Set it up")}</a>}
          </p>
        )}
      </div>
      <div class="previews-body">
        {view === "inbox" ? (
          <InboxPreview client={client} product={preview?.brand ?? ""} theme={theme} isPhone={shownLook === "phone"} />
        ) : preview ? (
          <>
            {view === "mail" && <MailPreview preview={preview} theme={theme} />}
            {view === "push" && (
              <>
                <PushPreview brand={preview.brand} shown={of("mobile_push")} theme={theme} />
                <WebPushPreview brand={preview.brand} shown={of("web_push")} theme={theme} />
              </>
            )}
            {view === "sms" && <SmsPreview shown={of("sms")} />}
            {view === "chat" && (
              <>
                <SlackPreview brand={preview.brand} shown={of("slack")} theme={theme} />
                <TeamsPreview brand={preview.brand} shown={of("teams")} theme={theme} />
              </>
            )}
          </>
        ) : query.error ? (
          <Failure what={t("The preview could not be made")} error={query.error} retry={query.refetch} />
        ) : (
          query.loading && <Skeleton lines={5} height={24} />
        )}
      </div>
      {warnings.length > 0 && (
        <div class="warnings" role="status">
          {warnings.map(({ tone, text }) => (
            <Note key={text} tone={tone}>
              {text}
            </Note>
          ))}
        </div>
      )}
    </section>
  );
}
