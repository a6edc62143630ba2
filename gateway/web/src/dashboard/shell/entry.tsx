/** The pages for people without a session: the login, and the setup with a one-use token. */

import { useEffect, useState } from "preact/hooks";
import { request } from "../core/api.ts";
import { type Query, useQuery } from "../core/query.ts";
import { basePath, navigate, usePlace } from "../core/router.ts";
import { loadSession } from "../core/session.ts";
import { t } from "../core/text.ts";
import { Button } from "../kit/button.tsx";
import { Secret, TextInput } from "../kit/fields.tsx";
import { Form } from "../kit/form.tsx";
import { Icon } from "../kit/icons.tsx";
import { Note } from "../kit/page.tsx";
import { Failure } from "../kit/states.tsx";
import { ssoAddress, ssoProblem } from "./sso.ts";

/** What the gateway says to everybody. */
interface EntryInfo {
  setup_needed: boolean;
  sso: string;
  needs_https: boolean;
  version: string;
}

const PASSWORD_LENGTH = 12;

/** The login page, or the setup page. */
export function Entry({ path }: { path: string }) {
  const info = useQuery("entry", (signal) => request<EntryInfo>("GET", "api/entry", undefined, signal));
  return (
    <main class="entry">
      <div class="entry-box">
        <span class="logo">
          <Icon name="bell" size={24} />
          {t("Inbox gateway")}
        </span>
        {path === "setup" ? <Setup /> : <Login info={info} />}
      </div>
      {info.data && <p class="quiet small">{t("Version {version}", { version: info.data.version })}</p>}
    </main>
  );
}

/** Return the address that was asked for before the login, one within the dashboard alone. */
function askedFor(query: URLSearchParams): string {
  const next = query.get("next") ?? "";
  const url = new URL(next, new URL(basePath(), location.href));
  return url.origin === location.origin && url.pathname.startsWith(basePath()) ? next : "";
}

function Login({ info }: { info: Query<EntryInfo> }) {
  const { query } = usePlace();
  const problem = ssoProblem(query.get("problem"));
  useEffect(() => void (document.title = `${t("Sign in")} · ${t("Inbox gateway")}`), []);

  async function login({ email, password }: Record<string, string>): Promise<void> {
    await request("POST", "api/login", { email, password });
    await loadSession();
    navigate(askedFor(query), { replace: true });
  }

  if (info.error) return <Failure error={info.error} retry={info.refetch} />;
  return (
    <>
      <h1>{t("Sign in")}</h1>
      {problem && (
        <div role="alert">
          <Note tone="warning">{problem}</Note>
        </div>
      )}
      {info.data?.setup_needed && (
        <Note>
          <p>{t("There is no admin yet. The gateway prints the address for the setup when it starts: look at its output, or run")}</p>
          <p>
            <code>inbox-gateway admin create EMAIL</code>
          </p>
        </Note>
      )}
      {info.data?.needs_https && <Note tone="warning">{t("Nobody can sign in over plain HTTP from another machine. Use HTTPS, or localhost.")}</Note>}
      <Form onSubmit={login} submit={t("Sign in")} class="entry-form">
        <TextInput name="email" type="email" label={t("Email")} autocomplete="username" required autofocus />
        <TextInput name="password" type="password" label={t("Password")} autocomplete="current-password" required />
      </Form>
      {info.data?.sso && (
        <>
          <p class="or quiet">{t("or")}</p>
          <Button href={ssoAddress(askedFor(query))} target="_self" class="block">
            {t("Continue with {provider}", { provider: info.data.sso })}
          </Button>
        </>
      )}
    </>
  );
}

/** Return the token in the fragment of the address, and remove it there at once. */
function takeToken(): string {
  const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? location.hash.slice(1);
  if (token) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

function Setup() {
  const [token] = useState(takeToken);
  const link = useQuery(token ? "link" : null, (signal) => request<{ email: string; name: string }>("POST", "api/link", { token }, signal));
  useEffect(() => void (document.title = `${t("Set up")} · ${t("Inbox gateway")}`), []);

  async function setUp({ email, name, password }: Record<string, string>): Promise<void> {
    await request("POST", "api/setup", { token, name, password, ...(email ? { email } : {}) });
    await loadSession();
    navigate("", { replace: true });
  }

  if (!token) return <NoToken text={t("This address has no token. Open the whole address that the gateway printed, or that you were given.")} />;
  if (link.error) return <NoToken text={`${link.error.message}. ${link.error.suggestion}`} />;
  if (!link.data) return null;
  const { email, name } = link.data;
  return (
    <>
      <h1>{email ? t("Choose your password") : t("Create the first account")}</h1>
      <p class="quiet">{email ? t("For {email}.", { email }) : t("You become an owner: you may do everything, and invite others.")}</p>
      <Form onSubmit={setUp} submit={email ? t("Save and sign in") : t("Create account")} class="entry-form">
        <TextInput name="name" label={t("Name")} autocomplete="name" required maxLength={255} initial={name} autofocus />
        {email ? (
          <input type="hidden" name="username" autocomplete="username" value={email} />
        ) : (
          <TextInput name="email" type="email" label={t("Email")} autocomplete="username" required />
        )}
        <Secret name="password" label={t("Password")} minLength={PASSWORD_LENGTH} required hint={t("At least {n} characters", { n: PASSWORD_LENGTH })} />
      </Form>
    </>
  );
}

function NoToken({ text }: { text: string }) {
  return (
    <>
      <h1>{t("Set up")}</h1>
      <Note tone="warning">
        <p>{text}</p>
        <p>{t("An address works once, for an hour. As long as there is no admin, a restart of the gateway prints a new one.")}</p>
      </Note>
      <Button href="login">{t("Sign in")}</Button>
    </>
  );
}
