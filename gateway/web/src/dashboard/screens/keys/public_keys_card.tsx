/** The public keys with which users' tokens are verified that the customer signs with keys of its own. */

import { useState } from "preact/hooks";
import { data, projectApi } from "../../core/api.ts";
import { ApiFailure } from "../../core/failure.ts";
import { toast } from "../../core/live_region.ts";
import { invalidate, useQuery } from "../../core/query.ts";
import { t } from "../../core/text.ts";
import { Button, IconButton } from "../../kit/button.tsx";
import { confirm } from "../../kit/confirm.tsx";
import { Copy, CopyCurl } from "../../kit/copy.tsx";
import { Dialog } from "../../kit/dialog.tsx";
import { Textarea, TextInput } from "../../kit/fields.tsx";
import { Form } from "../../kit/form.tsx";
import { Card } from "../../kit/page.tsx";
import { Loaded } from "../../kit/states.tsx";
import { newKey } from "./new_key.ts";

const PATH = "/v2/jwt/keys";

export function PublicKeysCard({ projectId }: { projectId: string }) {
  const key = `${projectId} public keys`;
  const query = useQuery(key, (signal) => data(projectApi(projectId).GET(PATH, { signal })));
  const [adding, setAdding] = useState(false);

  async function replace(keys: readonly object[]): Promise<void> {
    await projectApi(projectId).PUT(PATH, { body: { keys: [...keys] } as never });
    invalidate(key);
  }

  async function add({ key: text = "", kid = "" }: Record<string, string>): Promise<void> {
    let added: object;
    try {
      added = newKey(text, kid);
    } catch {
      throw new ApiFailure({ message: t("This is neither a JWK nor a PEM"), fields: { key: t("Neither a JWK nor a PEM") } });
    }
    await replace([...(query.data?.keys ?? []), added]);
    setAdding(false);
    toast(t("Tokens of the key are accepted now"), "ok");
  }

  async function remove(kid: string): Promise<void> {
    const agreed = await confirm({
      title: t("Remove the key {kid}?", { kid }),
      text: t("Tokens that it has signed are refused, and their live connections close."),
      action: t("Remove the key"),
      danger: true,
    });
    if (!agreed) return;
    await replace((query.data?.keys ?? []).filter((each) => each.kid !== kid));
    toast(t("The key is removed"), "ok");
  }

  return (
    <Card
      title={t("Signing keys")}
      text={t("Your public keys. Your backend signs users' tokens with the private halves, by RS256 or ES256.")}
      actions={
        <>
          <CopyCurl call={{ path: PATH }} />
          <Button size="small" icon="plus" onClick={() => setAdding(true)}>
            {t("Add a key")}
          </Button>
        </>
      }
    >
      <Loaded query={query} what={t("The keys could not be loaded")}>
        {({ keys }) =>
          keys.length === 0 ? (
            <p class="quiet">{t("None. Tokens are signed with the API secret.")}</p>
          ) : (
            <ul class="public-keys">
              {keys.map(({ kid, alg, kty }) => (
                <li key={kid}>
                  <Copy text={kid} label={t("Copy the key id")} />
                  <span class="quiet">
                    {alg} · {kty}
                  </span>
                  <IconButton icon="trash" size="small" label={t("Remove the key {kid}", { kid })} onClick={() => void remove(kid)} />
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      {adding && (
        <Dialog title={t("Add a signing key")} onClose={() => setAdding(false)}>
          <Form onSubmit={add} submit={t("Add")}>
            <Textarea
              name="key"
              label={t("Public key")}
              rows={6}
              mono
              required
              placeholder={"-----BEGIN PUBLIC KEY-----\n…"}
              hint={t("A JWK as JSON, or PEM. RSA of 2048 bits or more, or EC on P-256. Never a private key.")}
            />
            <TextInput name="kid" label={t("Key id")} optional mono hint={t("The “kid” in the header of your tokens. Without it, the thumbprint of the key.")} />
          </Form>
        </Dialog>
      )}
    </Card>
  );
}
