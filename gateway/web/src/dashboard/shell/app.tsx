/** The whole page: the entry pages without a session, and the shell with a screen with one. */

import { useEffect, useState } from "preact/hooks";
import { onRefusal } from "../core/api.ts";
import { type ApiFailure, asFailure } from "../core/failure.ts";
import { navigate, usePlace } from "../core/router.ts";
import { leaveSession, loadSession, session } from "../core/session.ts";
import { useStore } from "../core/store.ts";
import { Questions } from "../kit/confirm.tsx";
import { Failure } from "../kit/states.tsx";
import { Toasts } from "../kit/toasts.tsx";
import { askPassword, PasswordQuestion } from "./password.tsx";
import { Entry } from "./entry.tsx";
import { Shell } from "./shell.tsx";

onRefusal({ confirm: askPassword, signedOut: leaveSession });

const ENTRY = /^(login|setup)$/;

/** The dashboard. */
export function App() {
  return (
    <>
      <Content />
      <Questions />
      <PasswordQuestion />
      <Toasts />
    </>
  );
}

function Content() {
  const { path } = usePlace();
  const known = useStore(session);
  const [failure, setFailure] = useState<ApiFailure>();
  const isEntry = ENTRY.test(path);

  async function load(): Promise<void> {
    setFailure(undefined);
    try {
      await loadSession();
    } catch (error) {
      const failed = asFailure(error);
      if (failed.status !== 401) setFailure(failed);
    }
  }

  useEffect(() => {
    if (!isEntry && known === undefined) void load();
    if (!isEntry && known === null) navigate("login", { replace: true });
  }, [isEntry, known]);

  if (isEntry) return <Entry path={path} />;
  if (failure) return <main class="entry"><Failure error={failure} retry={load} /></main>;
  return known ? <Shell /> : null;
}
