/** A mail as the gateway sends it, in a frame of its own that runs nothing. */

import { useEffect, useRef, useState } from "preact/hooks";
import { basePath } from "../../core/router.ts";
import { t } from "../../core/text.ts";
import { Note } from "../../kit/page.tsx";
import { Tabs } from "../../kit/tabs.tsx";
import type { Preview } from "./warnings.ts";

/**
 * The frame is a page of the gateway with a policy of its own. It gets the mail by a message, because what this page
 * put into a frame would have the policy of this page, which allows no styles in markup.
 */
function MailFrame({ html, theme }: { html: string; theme: "light" | "dark" }) {
  const frame = useRef<HTMLIFrameElement>(null);
  const [loaded, setLoaded] = useState(false);
  useEffect(() => {
    if (loaded) frame.current?.contentWindow?.postMessage({ html, theme }, "*"); // its origin is opaque
  }, [html, theme, loaded]);
  return (
    <iframe
      ref={frame}
      class={`mail-frame ${theme}`}
      title={t("The mail")}
      sandbox="allow-scripts"
      src={`${basePath()}mail-frame`}
      onLoad={() => setLoaded(true)}
    />
  );
}

export function MailPreview({ preview, theme }: { preview: Preview; theme: "light" | "dark" }) {
  const [form, setForm] = useState("html");
  const { email } = preview;
  if (!email) return <Note tone="danger">{t("The configured sender is not a valid address, so no mail can be sent.")}</Note>;
  return (
    <div class="mail">
      <dl class="mail-head">
        <dt>{t("From")}</dt>
        <dd>{email.sender}</dd>
        <dt>{t("Subject")}</dt>
        <dd class="mail-subject" dir="auto">
          {email.subject}
        </dd>
      </dl>
      {form === "html" ? <MailFrame html={email.html} theme={theme} /> : <pre class="mail-text" tabIndex={0}>{email.text}</pre>}
      <Tabs
        segmented
        label={t("Form of the mail")}
        tabs={[
          { id: "html", label: "HTML" },
          { id: "text", label: t("Text") },
        ]}
        value={form}
        onChange={setForm}
      />
    </div>
  );
}
