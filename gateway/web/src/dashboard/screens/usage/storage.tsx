/** What the project stores: an estimate, each figure with its margin. */

import { data, projectApi } from "../../core/api.ts";
import { bytes, number } from "../../core/format.ts";
import { useQuery } from "../../core/query.ts";
import { plural, t } from "../../core/text.ts";
import { CopyCurl } from "../../kit/copy.tsx";
import { Card } from "../../kit/page.tsx";
import { Loaded, Skeleton } from "../../kit/states.tsx";
import { type Column, Table } from "../../kit/table.tsx";
import { Time } from "../../kit/time.tsx";

interface Estimate {
  readonly value: number;
  readonly margin: number;
}

interface Row {
  readonly name: string;
  readonly what: string;
  readonly estimate: Estimate;
  readonly format: (value: number) => string;
}

export function Storage({ projectId }: { projectId: string }) {
  const query = useQuery(`${projectId}/storage`, (signal) => data(projectApi(projectId).GET("/v2/storage", { signal })));
  return (
    <Card
      title={t("Storage")}
      text={query.data && <Sampled sampled={query.data.sampled_users} users={query.data.users} at={query.data.measured_at} />}
      actions={<CopyCurl call={{ path: "/v2/storage" }} />}
    >
      <Loaded query={query} what={t("The storage could not be measured")} skeleton={<Skeleton lines={6} height={24} />}>
        {({ notifications, users, bytes: parts }) => (
          <Table
            label={t("Storage")}
            columns={COLUMNS()}
            rowKey={({ name }) => name}
            rows={[
              row(t("Users"), "", { value: users, margin: 0 }, number),
              row(t("Notifications"), t("In inboxes, each once for each user"), notifications, number),
              row(t("Inboxes"), t("With preferences, tokens and deliveries of their users"), parts.inboxes),
              row(t("Names of users"), t("Ids and addresses, by which users are found"), parts.directory),
              row(t("Shared contents"), t("Of broadcasts and of sends to several users"), parts.contents),
              row(t("Events"), t("The log of events"), parts.events),
              row(t("Total"), t("In the memory of Redis"), parts.total),
            ]}
          />
        )}
      </Loaded>
    </Card>
  );
}

const row = (name: string, what: string, estimate: Estimate, format = bytes): Row => ({ name, what, estimate, format });

const COLUMNS = (): Column<Row>[] => [
  { title: t("What"), render: ({ name }) => name },
  { title: t("Of what"), wide: true, render: ({ what }) => <span class="quiet">{what}</span> },
  { title: t("Stored"), align: "end", render: ({ estimate, format }) => format(estimate.value) },
  { title: t("Give or take"), align: "end", render: ({ estimate, format }) => <span class="quiet">{estimate.margin ? `±${format(estimate.margin)}` : t("exact")}</span> },
];

function Sampled({ sampled, users, at }: { sampled: number; users: number; at: string }) {
  const how = sampled < users ? plural(sampled, "Estimated from {n} user chosen at random.", "Estimated from {n} users chosen at random.") : t("Measured from all users.");
  return (
    <>
      {how} {t("Measured at most once in ten minutes, last")} <Time at={at} />.
    </>
  );
}
