/** A broadcast that was just sent: how far it is, and what can still be done. */

import { useEffect, useState } from "preact/hooks";
import { data, projectApi } from "../../core/api.ts";
import { number } from "../../core/format.ts";
import { announce, toast } from "../../core/live_region.ts";
import { useQuery } from "../../core/query.ts";
import { plural, t } from "../../core/text.ts";
import { Status, type Tone } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { confirm } from "../../kit/confirm.tsx";
import { Copy, CopyCurl } from "../../kit/copy.tsx";
import { Card, Page } from "../../kit/page.tsx";
import { Loaded } from "../../kit/states.tsx";

interface Sent {
  readonly id: string;
  readonly title: string;
  readonly status: { readonly status: string; readonly summary: { readonly total: number; readonly failures: number } };
}

const RUNNING = ["enqueued", "processing"];
const EVERY_MS = 1000;

export function Progress({ projectId, id, expected, onAgain }: { projectId: string; id: string; expected: number; onAgain: () => void }) {
  const [ended, setEnded] = useState(false);
  const params = { path: { broadcast_id: id } };
  const load = async (signal: AbortSignal) =>
    (await data(projectApi(projectId).GET("/v2/broadcasts/{broadcast_id}", { params, signal }))) as unknown as Sent;
  const query = useQuery(`${projectId} sent ${id}`, load, ended ? {} : { everyMs: EVERY_MS });
  const status = query.data?.status.status;
  useEffect(() => {
    if (!status || RUNNING.includes(status)) return;
    setEnded(true);
    announce(labelOf(status));
  }, [status]);

  async function cancel(): Promise<void> {
    const agreed = await confirm({
      title: t("Cancel this broadcast?"),
      text: t("Those who have it keep it. Nobody else gets it."),
      action: t("Cancel the broadcast"),
      danger: true,
    });
    if (!agreed) return;
    await projectApi(projectId).POST("/v2/broadcasts/{broadcast_id}/cancel", { params });
    query.refetch();
    toast(t("The broadcast is cancelled"), "ok");
  }

  return (
    <Page
      title={t("Sent")}
      narrow
      actions={
        <>
          <CopyCurl call={{ path: `/v2/broadcasts/${id}` }} />
          <Button icon="compose" onClick={onAgain}>
            {t("Write another")}
          </Button>
        </>
      }
    >
      <Loaded query={query} what={t("The broadcast could not be loaded")}>
        {(sent) => (
          <Card
            title={sent.title}
            actions={
              <>
                {RUNNING.includes(sent.status.status) && <Button onClick={cancel}>{t("Cancel")}</Button>}
                <Button kind="primary" href={`projects/${projectId}/broadcasts/${id}`}>
                  {t("Open the broadcast")}
                </Button>
              </>
            }
          >
            <ProgressBar sent={sent} expected={expected} />
            <p class="quiet small">
              <Copy text={id} label={t("Copy the id")} />
            </p>
          </Card>
        )}
      </Loaded>
    </Page>
  );
}

function labelOf(status: string): string {
  const labels: Record<string, string> = {
    enqueued: t("Waiting"),
    processing: t("Being sent"),
    processed: t("Sent"),
    failed: t("Failed"),
    cancelled: t("Cancelled"),
  };
  return labels[status] ?? status;
}

const TONES: Record<string, Tone> = { enqueued: "neutral", processing: "accent", processed: "ok", failed: "danger", cancelled: "warning" };

function ProgressBar({ sent, expected }: { sent: Sent; expected: number }) {
  const { status, summary } = sent.status;
  const isRunning = RUNNING.includes(status);
  const whole = Math.max(expected, summary.total, 1);
  const share = status === "processed" ? 1 : summary.total / whole;
  const fill = (element: HTMLElement | null) => void element?.style.setProperty("inline-size", `${share * 100}%`);
  return (
    <div class="sent">
      <div class="sent-line">
        <Status tone={TONES[status] ?? "neutral"} pulse={isRunning}>
          {labelOf(status)}
        </Status>
        <span class="sent-count">
          {isRunning && expected > 0
            ? t("{done} of {all}", { done: number(summary.total), all: number(whole) })
            : plural(summary.total, "{n} person", "{n} people")}
        </span>
      </div>
      <div
        class="sending-bar"
        role="progressbar"
        aria-label={t("Recipients")}
        aria-valuemin={0}
        aria-valuemax={whole}
        aria-valuenow={Math.min(summary.total, whole)}
      >
        <span ref={fill} class={status} />
      </div>
      {summary.failures > 0 && (
        <p class="audience-error">{plural(summary.failures, "{n} recipient failed", "{n} recipients failed")}</p>
      )}
    </div>
  );
}
