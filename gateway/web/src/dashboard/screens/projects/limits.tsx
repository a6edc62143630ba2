/** The limits of a project: what it uses of each, and a form for admins. */

import type { CurlCall } from "../../core/curl.ts";
import { invalidate } from "../../core/query.ts";
import { t } from "../../core/text.ts";
import { CopyCurl } from "../../kit/copy.tsx";
import { TextInput } from "../../kit/fields.tsx";
import { Form } from "../../kit/form.tsx";
import { Card } from "../../kit/page.tsx";
import { Loaded, Skeleton } from "../../kit/states.tsx";
import { LimitBars, useLimits } from "../../parts/limits/limits.tsx";
import type { AdminProject, AdminProjectChange } from "./types.ts";

const MEGABYTE = 1_000_000;

interface LimitsProps {
  project: AdminProject;
  change: (body: AdminProjectChange) => Promise<void>;
  disabled: boolean;
}

/** Return the fields of a form as the gateway has them: an empty one is no limit. */
function bodyOf(values: Record<string, string>): AdminProjectChange {
  return {
    max_users: Number(values.max_users),
    max_storage_bytes: Math.round(Number(values.max_storage_bytes) * MEGABYTE),
    max_sends_per_minute: Number(values.max_sends_per_minute),
    max_sends_per_month: Number(values.max_sends_per_month),
  };
}

/** The card. */
export function Limits({ project, change, disabled }: LimitsProps) {
  const limits = useLimits(project.id, true);

  async function save(values: Record<string, string>): Promise<void> {
    await change(bodyOf(values));
    invalidate(`${project.id}/limits`);
  }

  const curl = (values: Record<string, string>): CurlCall => ({
    method: "PATCH",
    path: `/admin/api/projects/${project.id}`,
    body: bodyOf(values),
  });
  const initial = (value: number) => (value ? String(value) : "");
  return (
    <Card
      title={t("Limits")}
      text={t("At a limit, requests are refused before anything is written. An empty field is no limit.")}
      actions={<CopyCurl call={{ path: "/v2/limits", query: { all: true } }} />}
    >
      <Loaded query={limits} what={t("The limits could not be loaded")} skeleton={<Skeleton lines={4} height={28} />}>
        {(found) => <LimitBars limits={found} />}
      </Loaded>
      {!disabled && (
        <Form onSubmit={save} submit={t("Save")} submitKind="secondary" curl={curl}>
          <TextInput name="max_users" label={t("Most users")} type="number" min={0} initial={initial(project.max_users)} placeholder={t("No limit")} />
          <TextInput
            name="max_storage_bytes"
            label={t("Most storage, in MB")}
            type="number"
            min={0}
            step="any"
            initial={initial(project.max_storage_bytes / MEGABYTE)}
            placeholder={t("No limit")}
          />
          <TextInput
            name="max_sends_per_minute"
            label={t("Most requests to send in a minute")}
            type="number"
            min={0}
            initial={initial(project.max_sends_per_minute)}
            placeholder={t("No limit")}
          />
          <TextInput
            name="max_sends_per_month"
            label={t("Most requests to send in a month")}
            type="number"
            min={0}
            initial={initial(project.max_sends_per_month)}
            placeholder={t("No limit")}
          />
        </Form>
      )}
    </Card>
  );
}
