/** The second step: a page with the bell connects. */

import { useState } from "preact/hooks";
import { t } from "../../core/text.ts";
import { Code } from "../../kit/copy.tsx";
import { Tabs } from "../../kit/tabs.tsx";
import { type Hint, guesses, seenReasons } from "./reasons.ts";
import { type Place, bellSnippets, signCommand } from "./snippets.ts";
import { Waiting } from "./waiting.tsx";

export function BellStep({ place, waits, hints }: { place: Place; waits: boolean; hints: readonly Hint[] }) {
  const snippets = bellSnippets(place);
  const [chosen, choose] = useState(snippets[0]!.name);
  const { code } = snippets.find(({ name }) => name === chosen)!;
  const tabs = snippets.map(({ name }) => ({ id: name, label: name }));
  return (
    <>
      <Tabs label={t("Ways to add the bell")} tabs={tabs} value={chosen} onChange={choose} segmented />
      <Code text={code} label={chosen} />
      <Needs chosen={chosen} place={place} />
      {waits && <Waiting text={t("Waiting for your page…")} reasons={[...seenReasons(hints), ...guesses(place)]} />}
    </>
  );
}

/** What a snippet needs besides. */
function Needs({ chosen, place: { signed, user } }: { chosen: string; place: Place }) {
  if (chosen === "Test page") {
    const text = signed
      ? t("Run it in a terminal where $API_SECRET is set. It writes a page for the user {user}, signed, which you can open at once.", { user })
      : t("Run it in a terminal. It writes a page for the user {user}, which you can open at once.", { user });
    return <p class="quiet">{text}</p>;
  }
  if (!signed) return <p class="quiet">{t("This project does not require signatures. Require them before you go live.")}</p>;
  return (
    <>
      <p class="quiet">{t("Your backend signs the user's id with the API secret. This signs a test user in a terminal:")}</p>
      <Code text={signCommand(user)} label={t("The command that signs a user")} />
    </>
  );
}
