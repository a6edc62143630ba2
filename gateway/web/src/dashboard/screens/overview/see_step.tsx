/** The third step: somebody sees the notification. */

import { t } from "../../core/text.ts";
import { type Hint, seenReasons } from "./reasons.ts";
import { Waiting } from "./waiting.tsx";

export function SeeStep({ user, waits, hints }: { user: string; waits: boolean; hints: readonly Hint[] }) {
  const guesses = [
    [t("The bell was not opened."), t("A notification counts as seen when it is in view.")],
    [t("The page shows a user other than {user}.", { user }), t("Send the notification to the user of the page.")],
  ].map(([text, remedy]) => ({ seen: false, prompt: false, text: text!, remedy: remedy! }));
  return (
    <>
      <p>{t("Open the bell on your page. The notification is in it, and counts as seen once it is in view.")}</p>
      {waits && <Waiting text={t("Waiting until somebody sees it…")} reasons={[...seenReasons(hints), ...guesses]} />}
    </>
  );
}
