/** What stands in the place of content: before it is there, when there is none, and when it cannot be had. */

import type { ComponentChildren } from "preact";
import type { ApiFailure } from "../core/failure.ts";
import type { Query } from "../core/query.ts";
import { t } from "../core/text.ts";
import { Button } from "./button.tsx";
import { Copy } from "./copy.tsx";
import { Icon, type IconName } from "./icons.tsx";

/** Grey bars in the place of text that is being loaded. */
export function Skeleton({ lines = 3, height = 16 }: { lines?: number; height?: number }) {
  const bar = (element: HTMLElement | null) => void element?.style.setProperty("block-size", `${height}px`);
  return (
    <div class="skeleton" aria-hidden="true">
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} ref={bar} />
      ))}
    </div>
  );
}

/** There is nothing yet: one sentence, and one action. */
export function Empty({ icon = "info", title, children, action }: { icon?: IconName; title: string; children?: ComponentChildren; action?: ComponentChildren }) {
  return (
    <div class="state">
      <Icon name={icon} size={24} />
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {action}
    </div>
  );
}

/** There is something, and the filters exclude all of it. */
export function NothingMatches({ onClear }: { onClear: () => void }) {
  return (
    <div class="state">
      <Icon name="search" size={24} />
      <h2>{t("Nothing matches")}</h2>
      <p>{t("Change the filters, or clear them.")}</p>
      <Button onClick={onClear}>{t("Clear filters")}</Button>
    </div>
  );
}

/** Something failed: what, why, and what can be done. */
export function Failure({ what, error, retry }: { what?: string; error: ApiFailure; retry?: () => void }) {
  if (error.code === "role_too_low" || error.code === "forbidden") return <NoPermission />;
  return (
    <div class="state failed" role="alert">
      <Icon name="warning" size={24} />
      <h2>{what ?? t("This could not be loaded")}</h2>
      <p>
        {error.message.replace(/[^.!?]$/, "$&.")}
        {error.suggestion && <span class="quiet"> {error.suggestion}</span>}
      </p>
      {retry && <Button onClick={retry}>{t("Retry")}</Button>}
      {error.requestId && (
        <p class="quiet small">
          {t("Request")} <Copy text={error.requestId} label={t("Copy the request id")} />
        </p>
      )}
    </div>
  );
}

/** The role does not allow it. */
export function NoPermission({ children }: { children?: ComponentChildren }) {
  return (
    <div class="state">
      <Icon name="lock" size={24} />
      <h2>{t("Your role does not allow this")}</h2>
      <p>{children ?? t("An owner can change your role under Settings, Admins.")}</p>
    </div>
  );
}

export interface LoadedProps<T> {
  query: Pick<Query<T>, "data" | "error" | "loading" | "refetch">;
  /** What failed, as a sentence. */
  what?: string;
  /** The skeleton, in the geometry of the content. */
  skeleton?: ComponentChildren;
  children: (data: T) => ComponentChildren;
}

/** The content of a query, or what stands in its place. */
export function Loaded<T>({ query, what, skeleton, children }: LoadedProps<T>) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.error) return <Failure what={what} error={query.error} retry={query.refetch} />;
  if (query.loading) return <div role="status" aria-label={t("Loading")}>{skeleton ?? <Skeleton />}</div>;
  return null;
}
