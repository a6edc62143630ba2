/** What happens in the project, as it happens. */

import { useEffect, useRef } from "preact/hooks";
import { setParams, useFilters, useParam } from "../../core/url_state.ts";
import { number } from "../../core/format.ts";
import { useStyles } from "../../core/styles.ts";
import { plural, t } from "../../core/text.ts";
import { Status } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { CopyCurl } from "../../kit/copy.tsx";
import { Empty, Failure, NothingMatches } from "../../kit/states.tsx";
import { Page } from "../../kit/page.tsx";
import { Tabs } from "../../kit/tabs.tsx";
import type { ScreenProps } from "../../screens.ts";
import { EventDrawer } from "./event_drawer.tsx";
import { TailFilters } from "./filters.tsx";
import { Rows, RowsSkeleton } from "./rows.tsx";
import { connectionsOf, eventsOf } from "./source.ts";
import styles from "./live.css";
import { type Tail, useTail } from "./use_tail.ts";

/** How far from its beginning a list may be scrolled and still follow the newest row. */
const AT_START_PX = 8;

export default function Live({ projectId }: ScreenProps) {
  useStyles(styles);
  const filters = useFilters("type", "user", "channel");
  const [paused, setPaused] = useParam("paused");
  const [shownId] = useParam("event");
  const [show] = useParam("show");
  const connections = show === "connections";
  const source = connections ? connectionsOf(projectId, filters.values) : eventsOf(projectId, filters.values);
  const tail = useTail(`${projectId} ${show} ${filters.key}`, source);
  const scroller = useRef<HTMLDivElement>(null);
  const isPaused = paused !== "";
  useEffect(() => (isPaused ? tail.hold() : followIfAtStart()), [isPaused, filters.key]);

  /** Follow the newest row, unless the reader scrolled away or moves between rows. */
  function followIfAtStart(): void {
    const list = scroller.current;
    const isReading = list !== null && (list.scrollTop > AT_START_PX || list.contains(document.activeElement));
    if (isPaused || isReading) tail.hold();
    else tail.release();
  }
  function showNewest(): void {
    (document.activeElement as HTMLElement | null)?.blur();
    scroller.current?.scrollTo({ top: 0 });
    setPaused(null);
    tail.release();
  }
  useKeys({ p: () => setPaused(isPaused ? null : "1"), ".": showNewest });

  const shown = tail.rows.find(({ id }) => id === shownId);
  const call = connections
    ? { path: "/v2/connections/tail", query: { type: filters.values.type } }
    : { path: "/v2/events/tail", query: { type: filters.values.type, user: filters.values.user } };
  const tabs = [
    { id: "events", label: t("Events") },
    { id: "connections", label: t("Connections") },
  ];
  const choose = (id: string) => setParams({ show: id === "events" ? null : id, type: null, user: null, channel: null, event: null });
  return (
    <Page
      title={t("Live")}
      text={connections ? t("Connections of this project's users as they open and close. Nothing is stored.") : t("Events of this project as they happen.")}
      actions={
        <>
          <TailStatus tail={tail} paused={isPaused} />
          <CopyCurl call={call} />
          <Button icon={isPaused ? "play" : "pause"} onClick={() => setPaused(isPaused ? null : "1")}>
            {isPaused ? t("Resume") : t("Pause")}
          </Button>
        </>
      }
    >
      <Tabs segmented label={t("What is shown")} tabs={tabs} value={connections ? "connections" : "events"} onChange={choose} />
      <TailFilters filters={filters} connections={connections} />
      <Interruption tail={tail} />
      <div class="tail-frame">
        {tail.waiting > 0 && (
          <Button kind="primary" size="small" class="tail-new" onClick={showNewest}>
            {plural(tail.waiting, "{n} new event", "{n} new events")}
          </Button>
        )}
        <div class="tail" ref={scroller} onScroll={followIfAtStart} onFocusIn={followIfAtStart} onFocusOut={() => setTimeout(followIfAtStart)}>
          {tail.rows.length > 0 ? (
            <Rows projectId={projectId} rows={tail.rows} current={shownId} scroller={scroller} />
          ) : (
            <Nothing tail={tail} connections={connections} projectId={projectId} filters={filters} />
          )}
        </div>
        <footer class="tail-foot quiet">
          <span>{plural(tail.rows.length, "{n} event", "{n} events")}</span>
          {tail.dropped > 0 && <span>{t("{n} older ones dropped: this page keeps the newest 1,000", { n: number(tail.dropped) })}</span>}
          {tail.lost > 0 && <span>{t("{n} not received: the gateway had no room for them", { n: number(tail.lost) })}</span>}
          {tail.rows.length > 0 && (
            <Button kind="quiet" size="small" onClick={tail.clear}>
              {t("Clear")}
            </Button>
          )}
        </footer>
      </div>
      {shown && <EventDrawer projectId={projectId} event={shown} onClose={() => setParams({ event: null })} />}
    </Page>
  );
}

function TailStatus({ tail: { state }, paused }: { tail: Tail; paused: boolean }) {
  if (state === "live") {
    return paused ? (
      <Status tone="warning">{t("Paused")}</Status>
    ) : (
      <Status tone="ok" pulse>
        {t("Live")}
      </Status>
    );
  }
  if (state === "ended") return <Status tone="danger">{t("Ended")}</Status>;
  return <Status tone="warning">{state === "connecting" ? t("Connecting…") : t("Reconnecting…")}</Status>;
}

/** Why the tail is not live, and what that means for the rows. */
function Interruption({ tail: { state, refusal, gap } }: { tail: Tail }) {
  const text =
    state === "ended"
      ? t("The stream has ended: {message}", { message: refusal?.message ?? "" })
      : state === "reconnecting" && refusal
        ? t("The gateway refused the stream: {message}. It is tried again by itself.", { message: refusal.message })
        : gap
          ? t("Events are missing after an interruption: the log no longer had all of them.")
          : "";
  return text ? (
    <p class="tail-note" role="status">
      {text}
    </p>
  ) : null;
}

interface NothingProps {
  tail: Tail;
  connections: boolean;
  projectId: string;
  filters: { active: boolean; clear: () => void };
}

function Nothing({ tail, projectId, filters, connections }: NothingProps) {
  if (!tail.loaded) return tail.failure ? <Failure what={t("The events could not be loaded")} error={tail.failure} /> : <RowsSkeleton />;
  if (filters.active) return <NothingMatches onClear={filters.clear} />;
  return (
    <Empty
      icon="live"
      title={connections ? t("Waiting for connections") : t("Waiting for events")}
      action={
        !connections && <Button icon="compose" href={`projects/${projectId}/compose`}>
          {t("Send a notification")}
        </Button>
      }
    >
      {connections ? t("A page that connects, leaves or is refused appears here within a second.") : t("Whatever happens in this project appears here within a second.")}
    </Empty>
  );
}

/** Call functions by keys, unless a field or a dialog has the focus. */
function useKeys(actions: Record<string, () => void>): void {
  const latest = useRef(actions);
  latest.current = actions;
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.metaKey || event.ctrlKey || event.altKey || target.closest("input, select, textarea, dialog")) return;
      const action = latest.current[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}
