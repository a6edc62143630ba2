/** Code that signs a user, to paste into a backend. */

import { useState } from "preact/hooks";
import { publicAddress } from "../../core/session.ts";
import { t } from "../../core/text.ts";
import { Code } from "../../kit/copy.tsx";
import { TextInput } from "../../kit/fields.tsx";
import { Card } from "../../kit/page.tsx";
import { Tabs } from "../../kit/tabs.tsx";
import { bellMarkup, type Language, LANGUAGES, signingCode } from "./signing.ts";

export function SigningCard({ apiKey }: { apiKey: string }) {
  const [language, setLanguage] = useState<Language>("Python");
  const [user, setUser] = useState("ada");
  return (
    <Card title={t("Sign a user")} text={t("Your backend proves who the user of a page is. It signs the user of the session, never a name that the page has sent.")}>
      <div class="signing-user">
        <TextInput label={t("External id or email")} value={user} onValue={setUser} mono />
      </div>
      <Tabs label={t("Language")} tabs={LANGUAGES.map((name) => ({ id: name, label: name }))} value={language} onChange={(id) => setLanguage(id as Language)} />
      <Code text={signingCode(language, user)} label={t("Code that signs the user")} />
      <p class="quiet">{t("Then the page has the bell, with the signature in place of the dots:")}</p>
      <Code text={bellMarkup(publicAddress(), apiKey, user)} label={t("Markup of the bell")} />
    </Card>
  );
}
