/** The question for the password, before something dangerous. */

import { request } from "../core/api.ts";
import { useQuery } from "../core/query.ts";
import { session } from "../core/session.ts";
import { createStore, useStore } from "../core/store.ts";
import { t } from "../core/text.ts";
import { Button } from "../kit/button.tsx";
import { Dialog } from "../kit/dialog.tsx";
import { TextInput } from "../kit/fields.tsx";
import { Form } from "../kit/form.tsx";
import { Note } from "../kit/page.tsx";
import { ssoAddress } from "./sso.ts";

const asked = createStore<((given: boolean) => void)[]>([]);

function answer(given: boolean): void {
  const waiting = asked.get();
  asked.set([]);
  for (const resolve of waiting) resolve(given);
}

/** Ask for the password. Returns whether it was given; the gateway then accepts it for a while. */
export function askPassword(): Promise<boolean> {
  return new Promise((resolve) => asked.set([...asked.get(), resolve]));
}

/** The dialog, while the password is asked for. */
export function PasswordQuestion() {
  const isOpen = useStore(asked).length > 0;
  return isOpen && <PasswordDialog />;
}

function PasswordDialog() {
  const me = useStore(session)?.me;
  const hasSso = me?.admin.has_sso ?? false;
  const hasPassword = me?.admin.has_password ?? true;
  const entry = useQuery(hasSso ? "entry" : null, (signal) => request<{ sso: string }>("GET", "api/entry", undefined, signal));
  const provider = entry.data?.sso ?? "";

  async function send({ password }: Record<string, string>): Promise<void> {
    await request("POST", "api/confirm", { password });
    answer(true);
  }

  const cancel = <Button onClick={() => answer(false)}>{t("Cancel")}</Button>;
  const toProvider = provider && (
    <Button href={ssoAddress(here(), { confirm: true })} target="_self" kind={hasPassword ? "secondary" : "primary"} class="block">
      {t("Continue with {provider}", { provider })}
    </Button>
  );
  if (hasPassword) {
    return (
      <Dialog title={t("Enter your password")} onClose={() => answer(false)}>
        <p class="quiet">{t("This needs your password. It is then not asked for again for 15 minutes.")}</p>
        <Form onSubmit={send} submit={t("Continue")} extra={cancel}>
          <TextInput name="password" type="password" label={t("Password")} autocomplete="current-password" required autofocus />
        </Form>
        {toProvider && (
          <>
            <p class="or quiet">{t("or")}</p>
            {toProvider}
          </>
        )}
      </Dialog>
    );
  }
  return (
    <Dialog title={t("Sign in again")} onClose={() => answer(false)}>
      <p class="quiet">
        {t("This needs a fresh sign-in. You then come back to this page, and can do it: nothing is asked again for 15 minutes.")}
      </p>
      {toProvider || (entry.data && <Note tone="warning">{t("There is no provider any more. Ask an owner for a link to choose a password.")}</Note>)}
      <div class="form-foot">{cancel}</div>
    </Dialog>
  );
}

/** Return the present address, relative to the dashboard. */
function here(): string {
  return location.href.slice(new URL(".", document.baseURI).href.length).replace(/#.*/, "");
}
