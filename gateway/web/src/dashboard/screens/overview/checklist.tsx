/** From the keys to the first notification that is seen in a bell. Each step is done by what the gateway saw happen. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { request } from "../../core/api.ts";
import { ago } from "../../core/format.ts";
import { publicAddress } from "../../core/session.ts";
import { announce } from "../../core/live_region.ts";
import { useQuery } from "../../core/query.ts";
import { t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { Icon } from "../../kit/icons.tsx";
import { Loaded, Skeleton } from "../../kit/states.tsx";
import { BellStep } from "./bell_step.tsx";
import { SeeStep } from "./see_step.tsx";
import { SendStep } from "./send_step.tsx";
import { type Milestone, type Step, type StepName, isComplete, stepsOf } from "./steps.ts";

export interface ChecklistProps {
  readonly projectId: string;
  readonly milestones: readonly Milestone[];
  /** Load the milestones again now. */
  readonly refetch: () => void;
}

/** What the snippets need to know of a project, as `GET /admin/api/projects/{project_id}` has it. */
interface ProjectKeys {
  readonly api_key: string;
  readonly hmac_enabled: boolean;
}

const TITLES: Record<StepName, () => string> = {
  send: () => t("Send a notification"),
  bell: () => t("Put the bell on your page"),
  see: () => t("See it in the bell"),
};

const DONE: Record<StepName, (at: string) => string> = {
  send: (at) => t("Stored in an inbox {at}", { at }),
  bell: (at) => t("A page connected {at}", { at }),
  see: (at) => t("Seen {at}", { at }),
};

export function Checklist(props: ChecklistProps) {
  const { projectId } = props;
  const project = useQuery(`${projectId}/project`, (signal) => request<ProjectKeys>("GET", `api/projects/${projectId}`, undefined, signal));
  return (
    <Loaded query={project} what={t("The project's key could not be loaded")} skeleton={<Skeleton lines={3} height={56} />}>
      {(keys) => <Steps {...props} project={keys} />}
    </Loaded>
  );
}

function Steps({ projectId, project, milestones, refetch }: ChecklistProps & { project: ProjectKeys }) {
  const steps = stepsOf(milestones);
  const [user, setUser] = useState("ada");
  const place = { gateway: publicAddress(), apiKey: project.api_key, user, signed: project.hmac_enabled };
  useAnnouncements(steps);
  const bodies: Record<StepName, (step: Step) => ComponentChildren> = {
    send: ({ hints }) => <SendStep projectId={projectId} place={place} setUser={setUser} refetch={refetch} hints={hints} />,
    bell: ({ at, hints }) => <BellStep place={place} waits={at === null} hints={hints} />,
    see: ({ at, hints }) => <SeeStep user={place.user} waits={at === null} hints={hints} />,
  };
  return (
    <section class="checklist" aria-labelledby="checklist-title">
      <header>
        <h2 id="checklist-title">{isComplete(milestones) ? t("Everything works") : t("Your first notification")}</h2>
        <p class="quiet">
          {isComplete(milestones)
            ? t("A notification was sent, a page connected, and a person saw it.")
            : t("Three steps. Each turns green when the gateway sees it happen.")}
        </p>
      </header>
      <ol>
        {steps.map((step, index) => (
          <StepItem key={step.name} step={step} number={index + 1} body={bodies[step.name]} />
        ))}
      </ol>
      {isComplete(milestones) && (
        <nav class="next" aria-label={t("Next")}>
          <Button href={`projects/${projectId}/compose`}>{t("Compose a notification")}</Button>
          <Button href={`projects/${projectId}/channels`}>{t("Set up email, push and chat")}</Button>
          <Button href={`projects/${projectId}/design`}>{t("Design your inbox")}</Button>
        </nav>
      )}
    </section>
  );
}

function StepItem({ step, number, body }: { step: Step; number: number; body: (step: Step) => ComponentChildren }) {
  const { name, state, at } = step;
  const [toggled, setToggled] = useState<boolean | null>(null);
  useEffect(() => setToggled(null), [state]); // a step that is done closes, and the next one opens
  const open = toggled ?? state === "current";
  return (
    <li class={`step ${state}`} data-step={name} aria-current={state === "current" ? "step" : undefined}>
      <details open={open} onToggle={({ currentTarget }) => currentTarget.open !== open && setToggled(currentTarget.open)}>
        <summary>
          <span class="marker" aria-hidden="true">
            {state === "done" ? <Icon name="check" /> : number}
          </span>
          <span class="title">{TITLES[name]()}</span>
          <span class="quiet">{at ? DONE[name](ago(at)) : ""}</span>
          <span class="hidden">{state === "done" ? t("done") : t("not done yet")}</span>
          <Icon name="down" />
        </summary>
        {open && <div class="body">{body(step)}</div>}
      </details>
    </li>
  );
}

/** Have screen readers read out a step that was done while it was shown. */
function useAnnouncements(steps: readonly Step[]): void {
  const done = steps.filter(({ state }) => state === "done").map(({ name }) => name);
  const [before, setBefore] = useState(done);
  useEffect(() => {
    const fresh = done.filter((name) => !before.includes(name));
    if (fresh.length === 0) return;
    announce(fresh.map((name) => t("Done: {title}", { title: TITLES[name]() })).join(". "));
    setBefore(done);
  }, [done.join()]);
}
