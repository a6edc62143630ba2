/** The content of a notification, as an inbox shows it. Markup of the content is shown as text. */

import { t } from "../../core/text.ts";
import { Icon } from "../../kit/icons.tsx";

export interface Content {
  title?: string | null;
  content?: string | null;
  action_url?: string | null;
  category?: string | null;
}

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'", apos: "'", nbsp: " " };

/** Return the text of a content, without its markup. It is only shown as text, so it need not be safe as markup. */
export function plainText(content: string): string {
  return content
    .replace(/<(script|style)\b[\s\S]*?<\/\1>/gi, "")
    .replace(/<br\s*\/?>|<\/(p|div|li|h\d)>/gi, "\n")
    .replace(/<[^>]*>/g, "")
    .replace(/&(#?\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole)
    .trim();
}

/** A card with the title, the text and the link. */
export function ContentPreview({ content }: { content: Content }) {
  const initials = (content.category ?? content.title ?? "?").trim().slice(0, 2).toUpperCase();
  return (
    <section class="sent-preview" aria-label={t("Content")}>
      <span class="initials" aria-hidden="true">
        {initials}
      </span>
      <div>
        <h3>{content.title}</h3>
        {content.content && <p>{plainText(content.content)}</p>}
        {content.action_url && (
          <p class="small with-icon">
            <Icon name="link" size={14} />
            <code>{content.action_url}</code>
          </p>
        )}
      </div>
    </section>
  );
}
