/** Tokens of the project: they replace the API secret in calls, end by themselves, and can be discarded one by one. */

import { useState } from "preact/hooks";
import { data, projectApi } from "../../core/api.ts";
import { toast } from "../../core/live_region.ts";
import { cursorPage, invalidate, useCursorList } from "../../core/query.ts";
import { t } from "../../core/text.ts";
import { Button, IconButton } from "../../kit/button.tsx";
import { confirm } from "../../kit/confirm.tsx";
import { Code, CopyCurl } from "../../kit/copy.tsx";
import { Dialog } from "../../kit/dialog.tsx";
import { Select, TextInput } from "../../kit/fields.tsx";
import { Form } from "../../kit/form.tsx";
import { Card, Note } from "../../kit/page.tsx";
import { CursorTable } from "../../kit/table.tsx";
import { Time } from "../../kit/time.tsx";

const PATH = "/v2/jwt/project";
const DAY = 86_400;
const EXPIRIES = [
  [7 * DAY, t("In a week")],
  [30 * DAY, t("In 30 days")],
  [90 * DAY, t("In 90 days")],
  [365 * DAY, t("In a year")],
] as const;

interface Token {
  readonly id: string;
  readonly name?: string;
  readonly created_at: string;
  readonly expires_at: string;
  readonly discarded_at?: string;
}

export function TokensCard({ projectId }: { projectId: string }) {
  const key = `${projectId} project tokens`;
  const [issuing, setIssuing] = useState(false);
  const list = useCursorList<Token>(key, async (after, signal) => {
    const query = { limit: 20, ...(after ? { starting_after: after } : {}) };
    return cursorPage(await data(projectApi(projectId).GET(PATH, { params: { query } as never, signal })));
  });

  async function discard({ id, name }: Token): Promise<void> {
    const agreed = await confirm({
      title: t("Discard {name}?", { name: name ?? t("this token") }),
      text: t("Calls with it are refused from now on."),
      action: t("Discard the token"),
      danger: true,
      curl: { method: "DELETE", path: `${PATH}/${id}` },
    });
    if (!agreed) return;
    await projectApi(projectId).DELETE("/v2/jwt/project/{token_id}", { params: { path: { token_id: id } } });
    toast(t("The token is discarded"), "ok");
    invalidate(key);
  }

  const columns = [
    { title: t("Name"), render: ({ name }: Token) => name ?? "–" },
    { title: t("Issued"), render: ({ created_at }: Token) => <Time at={created_at} /> },
    {
      title: t("Ends"),
      render: ({ expires_at, discarded_at }: Token) => (discarded_at ? <span class="quiet">{t("Discarded")}</span> : <Time at={expires_at} />),
    },
    {
      title: "",
      width: "48px",
      render: (token: Token) =>
        token.discarded_at ? null : (
          <IconButton icon="trash" size="small" label={t("Discard {name}", { name: token.name ?? token.id })} onClick={() => void discard(token)} />
        ),
    },
  ];
  return (
    <Card
      title={t("Project tokens")}
      text={t("For a service that must not have the secret. A token cannot sign users.")}
      actions={
        <>
          <CopyCurl call={{ path: PATH }} />
          <Button size="small" icon="plus" onClick={() => setIssuing(true)}>
            {t("Issue a token")}
          </Button>
        </>
      }
    >
      <CursorTable
        label={t("Project tokens")}
        list={list}
        columns={columns}
        rowKey={({ id }: Token) => id}
        what={t("The tokens could not be loaded")}
        empty={<p class="quiet">{t("None yet.")}</p>}
      />
      {issuing && <IssueDialog projectId={projectId} onClose={() => setIssuing(false)} onIssued={() => invalidate(key)} />}
    </Card>
  );
}

function IssueDialog({ projectId, onClose, onIssued }: { projectId: string; onClose: () => void; onIssued: () => void }) {
  const [token, setToken] = useState<string>();

  const bodyOf = ({ name = "", expiry = "" }: Record<string, string>) => ({ name: name.trim(), expiry: Number(expiry) });

  async function issue(values: Record<string, string>): Promise<void> {
    const issued = await data(projectApi(projectId).POST(PATH, { body: bodyOf(values) }));
    setToken(issued.token);
    onIssued();
  }

  if (token !== undefined)
    return (
      <Dialog title={t("The token")} onClose={onClose} footer={<Button onClick={onClose}>{t("Done")}</Button>}>
        <Note tone="warning">{t("Copy it now. It is not stored, and nothing shows it again.")}</Note>
        <Code text={token} label={t("The token")} />
      </Dialog>
    );
  return (
    <Dialog title={t("Issue a project token")} onClose={onClose}>
      <Form onSubmit={issue} submit={t("Issue")} curl={(values) => ({ method: "POST", path: PATH, body: bodyOf(values) })}>
        <TextInput name="name" label={t("What it is for")} required maxLength={255} autofocus placeholder={t("Billing service")} />
        <Select name="expiry" label={t("It ends")} initial={String(90 * DAY)} options={EXPIRIES.map(([seconds, label]) => ({ value: String(seconds), label }))} />
      </Form>
    </Dialog>
  );
}
