/** The parts of a page: its head, cards, figures, and lists of properties. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../core/text.ts";

let isFirst = true;

export interface PageProps {
  title: string;
  /** Explains the page in one sentence. */
  text?: ComponentChildren;
  /** Buttons at the end of the head. */
  actions?: ComponentChildren;
  /** The pages above this one. */
  above?: readonly { label: string; href: string }[];
  children: ComponentChildren;
  /** Forms and texts are easier to read on a narrow page. */
  narrow?: boolean;
}

/** A page. Its title gets the focus, so that a screen reader says where the reader is now. */
export function Page({ title, text, actions, above, children, narrow }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · ${t("Inbox gateway")}`;
  }, [title]);
  useEffect(() => {
    if (!isFirst && !document.querySelector("dialog[open]")) heading.current?.focus({ preventScroll: true });
    isFirst = false;
  }, []);
  return (
    <div class={narrow ? "page narrow" : "page"}>
      <header class="page-head">
        <div>
          {above && (
            <nav class="above" aria-label={t("Pages above")}>
              {above.map(({ label, href }) => (
                <a key={href} href={href}>
                  {label}
                </a>
              ))}
            </nav>
          )}
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {text && <p class="quiet">{text}</p>}
        </div>
        {actions && <div class="actions">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

/** A part of a page with a line around it. */
export function Card({ title, text, actions, children, flush }: { title?: string; text?: ComponentChildren; actions?: ComponentChildren; children?: ComponentChildren; flush?: boolean }) {
  return (
    <section class={flush ? "card flush" : "card"}>
      {(title || actions) && (
        <header>
          <div>
            {title && <h2>{title}</h2>}
            {text && <p class="quiet">{text}</p>}
          </div>
          {actions && <div class="actions">{actions}</div>}
        </header>
      )}
      {children}
    </section>
  );
}

/** A figure with its name. `note` explains it, such as "per minute". */
export function Stat({ label, value, note, href, tone }: { label: string; value: ComponentChildren; note?: ComponentChildren; href?: string; tone?: "danger" | "ok" | "warning" }) {
  const content = (
    <>
      <span class="stat-label">{label}</span>
      <span class={`stat-value ${tone ?? ""}`}>{value}</span>
      {note && <span class="stat-note">{note}</span>}
    </>
  );
  return href === undefined ? (
    <div class="stat">{content}</div>
  ) : (
    <a class="stat" href={href}>
      {content}
    </a>
  );
}

/** Figures side by side. */
export function Stats({ children }: { children: ComponentChildren }) {
  return <div class="stats">{children}</div>;
}

/** Properties with their names, as a drawer shows them. An empty value is a dash. */
export function Properties({ items }: { items: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="properties">
      {items.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value === null || value === undefined || value === "" ? <span class="quiet">–</span> : value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** The keys of a shortcut: `<KeyHint keys="g u" />`. */
export function KeyHint({ keys }: { keys: string }) {
  return (
    <span class="keys">
      {keys.split(" ").map((key) => (
        <kbd key={key}>{key}</kbd>
      ))}
    </span>
  );
}

/** A message in the page. */
export function Note({ tone = "info", children }: { tone?: "info" | "ok" | "warning" | "danger"; children: ComponentChildren }) {
  return <div class={`note ${tone}`}>{children}</div>;
}
