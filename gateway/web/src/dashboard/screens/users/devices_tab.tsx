/** The channel tokens of a user, such as devices and browsers, and the tokens that were issued for the user. */

import { data, projectApi, request } from "../../core/api.ts";
import { toast } from "../../core/live_region.ts";
import { cursorPage, type Query, useCursorList } from "../../core/query.ts";
import { useCan } from "../../core/session.ts";
import { t } from "../../core/text.ts";
import { Status } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { confirm } from "../../kit/confirm.tsx";
import { CopyCurl } from "../../kit/copy.tsx";
import { Card } from "../../kit/page.tsx";
import { Empty, Loaded } from "../../kit/states.tsx";
import { type Column, CursorTable, Table } from "../../kit/table.tsx";
import { Time } from "../../kit/time.tsx";
import type { ProjectUser, UserSummary } from "./people.ts";

type Token = UserSummary["channel_tokens"][number];

const WITHOUT_OPERATIONS = "web_push/safari";

/** The tab. */
export function DevicesTab({ projectId, user, summary }: { projectId: string; user: ProjectUser; summary: Query<UserSummary> }) {
  return (
    <div class="tab-content">
      <Card title={t("Devices, browsers and chats")} text={t("Where the user can be reached. Only the end of each value is shown.")} actions={<CopyCurl call={{ path: `/v2/users/${user.id}/summary` }} />}>
        <Loaded query={summary} what={t("The devices could not be loaded")}>
          {({ channel_tokens }) =>
            channel_tokens.length ? (
              <Devices projectId={projectId} user={user} tokens={channel_tokens} onChange={summary.refetch} />
            ) : (
              <Empty icon="phone" title={t("No devices")}>{t("Apps, browsers and chats register themselves, when the user allows notifications there.")}</Empty>
            )
          }
        </Loaded>
      </Card>
      <IssuedTokens projectId={projectId} user={user} />
    </div>
  );
}

function Devices({ projectId, user, tokens, onChange }: { projectId: string; user: ProjectUser; tokens: Token[]; onChange: () => void }) {
  const can = useCan();

  async function discard(token: Token): Promise<void> {
    const agreed = await confirm({
      title: t("Discard this token?"),
      text: t("Nothing is sent to it until the app or browser of the user registers it again."),
      action: t("Discard"),
      danger: true,
      curl: { method: "DELETE", path: `/v2/users/${user.id}/channels/${token.kind}/tokens/${token.id}` },
    });
    if (!agreed) return;
    await request("DELETE", `api/projects/${projectId}/v2/users/${user.id}/channels/${token.kind}/tokens/${token.id}`);
    toast(t("The token is discarded"), "ok");
    onChange();
  }

  const columns: Column<Token>[] = [
    { title: t("Kind"), render: (token) => token.title },
    { title: t("Token"), render: (token) => <code>{valueOf(token.fields)}</code> },
    { title: t("State"), render: (token) => (token.discarded_at ? <Status>{t("Discarded")}</Status> : <Status tone="ok">{t("In use")}</Status>), width: "120px" },
    { title: t("Registered"), render: (token) => <Time at={token.updated_at ?? token.created_at} />, width: "120px", wide: true },
  ];
  if (can("admin")) {
    columns.push({
      title: t("Actions"),
      align: "end",
      width: "100px",
      render: (token) =>
        !token.discarded_at && token.kind !== WITHOUT_OPERATIONS && (
          <Button size="small" kind="quiet" onClick={() => discard(token)}>
            {t("Discard")}
          </Button>
        ),
    });
  }
  return <Table label={t("Channel tokens")} rows={tokens} columns={columns} rowKey={(token) => `${token.kind} ${token.id}`} />;
}

/** Return the values of a token in one line. */
function valueOf(fields: Record<string, unknown>): string {
  return Object.entries(fields)
    .map(([name, value]) => (typeof value === "object" && value !== null ? valueOf(value as Record<string, unknown>) : name === "installation_id" ? "" : String(value)))
    .filter(Boolean)
    .join(" · ");
}

function IssuedTokens({ projectId, user }: { projectId: string; user: ProjectUser }) {
  const can = useCan();
  const list = useCursorList(`${projectId} tokens ${user.id}`, async (after, signal) =>
    cursorPage(await data(projectApi(projectId).GET("/v2/jwt/user/{user_or_token}", { params: { path: { user_or_token: user.id }, query: { limit: 20, starting_after: after ?? undefined } }, signal }))),
  );
  type Issued = NonNullable<typeof list.items>[number];

  async function discard(token: Issued): Promise<void> {
    const agreed = await confirm({ title: t("Revoke this token?"), text: t("It is refused from now on, and its live connections are closed."), action: t("Revoke"), danger: true });
    if (!agreed) return;
    await projectApi(projectId).DELETE("/v2/jwt/user/{user_or_token}", { params: { path: { user_or_token: token.id } } });
    toast(t("The token is revoked"), "ok");
    list.refetch();
  }

  const columns: Column<Issued>[] = [
    { title: t("Name"), render: (token) => token.name ?? <span class="quiet">{t("without a name")}</span> },
    { title: t("State"), render: (token) => (token.discarded_at ? <Status>{t("Revoked")}</Status> : <Status tone="ok">{t("Valid")}</Status>), width: "110px" },
    { title: t("Issued"), render: (token) => <Time at={token.created_at} />, width: "120px", wide: true },
    { title: t("Expires"), render: (token) => <Time at={token.expires_at} />, width: "120px" },
  ];
  if (can("admin")) {
    columns.push({
      title: t("Actions"),
      align: "end",
      width: "100px",
      render: (token) =>
        !token.discarded_at && (
          <Button size="small" kind="quiet" onClick={() => discard(token)}>
            {t("Revoke")}
          </Button>
        ),
    });
  }
  return (
    <Card title={t("Access tokens")} text={t("JWTs that the gateway issued for this user. Those that your backend signs itself are not listed.")}>
      <CursorTable
        label={t("Access tokens")}
        list={list}
        columns={columns}
        rowKey={(token) => token.id}
        what={t("The tokens could not be loaded")}
        empty={<p class="quiet">{t("None was issued, or all have expired.")}</p>}
      />
    </Card>
  );
}
