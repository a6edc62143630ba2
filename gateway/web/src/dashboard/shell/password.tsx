/** The question for the password, before something dangerous. */

import { request } from "../core/api.ts";
import { createStore, useStore } from "../core/store.ts";
import { t } from "../core/text.ts";
import { Button } from "../kit/button.tsx";
import { Dialog } from "../kit/dialog.tsx";
import { TextInput } from "../kit/fields.tsx";
import { Form } from "../kit/form.tsx";

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
  async function send({ password }: Record<string, string>): Promise<void> {
    await request("POST", "api/confirm", { password });
    answer(true);
  }
  return (
    <Dialog title={t("Enter your password")} onClose={() => answer(false)}>
      <p class="quiet">{t("This needs your password. It is then not asked for again for 15 minutes.")}</p>
      <Form onSubmit={send} submit={t("Continue")} extra={<Button onClick={() => answer(false)}>{t("Cancel")}</Button>}>
        <TextInput name="password" type="password" label={t("Password")} autocomplete="current-password" required autofocus />
      </Form>
    </Dialog>
  );
}
