/** How long a project keeps notifications. */

import { useState } from "preact/hooks";
import { t } from "../../core/text.ts";
import { Select, TextInput } from "../../kit/fields.tsx";
import { Form } from "../../kit/form.tsx";
import { Card } from "../../kit/page.tsx";
import type { AdminProject, AdminProjectChange } from "./types.ts";

const DAY_SECONDS = 24 * 3600;

/** Whether the gateway's setting applies, everything is kept, or a number. */
type Mode = "default" | "all" | "number";

const modeOf = (bound: number | null): Mode => (bound === null ? "default" : bound === 0 ? "all" : "number");

interface BoundProps {
  label: string;
  unit: string;
  all: string;
  mode: Mode;
  onMode: (mode: Mode) => void;
  name: string;
  initial: string;
  disabled: boolean;
}

function Bound({ label, unit, all, mode, onMode, name, initial, disabled }: BoundProps) {
  const options = [
    { value: "default", label: t("Same as the gateway’s setting") },
    { value: "all", label: all },
    { value: "number", label: t("A number") },
  ];
  return (
    <>
      <Select label={label} options={options} value={mode} onValue={(value) => onMode(value as Mode)} disabled={disabled} />
      {mode === "number" && <TextInput name={name} label={unit} type="number" min={1} initial={initial} required disabled={disabled} />}
    </>
  );
}

interface RetentionProps {
  project: AdminProject;
  change: (body: AdminProjectChange) => Promise<void>;
  disabled: boolean;
}

/** The card. */
export function Retention({ project, change, disabled }: RetentionProps) {
  const [count, seconds] = [project.item_retention_count, project.item_retention_seconds];
  const [countMode, setCountMode] = useState(modeOf(count));
  const [timeMode, setTimeMode] = useState(modeOf(seconds));

  function bodyOf(values: Record<string, string>): AdminProjectChange {
    const bound = (mode: Mode, value: number) => (mode === "default" ? "default" : mode === "all" ? 0 : value);
    return {
      item_retention_count: bound(countMode, Number(values.item_retention_count)),
      item_retention_seconds: bound(timeMode, Math.round(Number(values.item_retention_seconds) * DAY_SECONDS)),
    };
  }

  return (
    <Card title={t("Retention")} text={t("Older notifications leave the inboxes of users.")}>
      <Form
        onSubmit={(values) => change(bodyOf(values))}
        submit={disabled ? "" : t("Save")}
        submitKind="secondary"
        curl={(values) => ({ method: "PATCH", path: `/admin/api/projects/${project.id}`, body: bodyOf(values) })}
      >
        <Bound
          label={t("Notifications of a user")}
          unit={t("Newest notifications kept")}
          all={t("Keep all")}
          mode={countMode}
          onMode={setCountMode}
          name="item_retention_count"
          initial={String(count || 1000)}
          disabled={disabled}
        />
        <Bound
          label={t("Age")}
          unit={t("Days")}
          all={t("Keep for ever")}
          mode={timeMode}
          onMode={setTimeMode}
          name="item_retention_seconds"
          initial={String(Math.round((seconds || 90 * DAY_SECONDS) / DAY_SECONDS))}
          disabled={disabled}
        />
      </Form>
    </Card>
  );
}
