/** What people take away: ids, commands, and JSON. */

import { useState } from "preact/hooks";
import { type CurlCall, curl } from "../core/curl.ts";
import { announce, toast } from "../core/live_region.ts";
import { t } from "../core/text.ts";
import { Button } from "./button.tsx";
import { Icon } from "./icons.tsx";

/** Copy a text. A toast says if the browser refuses it. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    announce(t("Copied"));
    return true;
  } catch {
    toast(t("The browser does not allow copying. Select the text instead."), "danger");
    return false;
  }
}

/** An id or another short text, which a click copies. `shown` is what is shown in its place. */
export function Copy({ text, shown, label }: { text: string; shown?: string; label?: string }) {
  const [done, setDone] = useState(false);
  async function copy(event: MouseEvent): Promise<void> {
    event.stopPropagation();
    if (!(await copyText(text))) return;
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  }
  return (
    <button type="button" class="copy" onClick={copy} title={label ?? t("Copy {text}", { text })}>
      <code>{shown ?? text}</code>
      <Icon name={done ? "check" : "copy"} size={14} />
    </button>
  );
}

/** A button that copies the command which calls the same operation. */
export function CopyCurl({ call, label, size = "small" }: { call: CurlCall | (() => CurlCall); label?: string; size?: "small" | "normal" }) {
  async function copy(): Promise<void> {
    if (await copyText(curl(typeof call === "function" ? call() : call))) toast(t("The command is copied"), "ok");
  }
  return (
    <Button icon="terminal" kind="quiet" size={size} onClick={copy}>
      {label ?? t("Copy as curl")}
    </Button>
  );
}

/** A block of code, or a value as JSON. */
export function Code({ text, json, label, wrap }: { text?: string; json?: unknown; label?: string; wrap?: boolean }) {
  const content = text ?? JSON.stringify(json, null, 2);
  return (
    <div class={wrap ? "code wrapped" : "code"}>
      <pre tabIndex={0} aria-label={label ?? t("Code")}>
        <code>{content}</code>
      </pre>
      <Button icon="copy" size="small" kind="quiet" class="copy-code" onClick={async () => (await copyText(content)) && toast(t("Copied"), "ok")}>
        {t("Copy")}
      </Button>
    </div>
  );
}
