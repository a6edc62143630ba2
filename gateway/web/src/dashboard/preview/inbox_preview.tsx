/** The bell in a page of a product: its button, and its panel as if it were open. */

import { t } from "../core/text.ts";
import { BellElement } from "./bell_element.tsx";
import type { PreviewClient } from "./preview_client.ts";

export interface InboxPreviewProps {
  client: PreviewClient;
  /** The name that the page of the product has. */
  product: string;
  theme: "light" | "dark";
  isPhone?: boolean;
  locale?: string | undefined;
  /** Whether the page is written from right to left. */
  rightToLeft?: boolean;
  variables?: Readonly<Record<string, string>>;
}

/** The bell as people see it. It can be tried: marks, tabs and menus work. */
export function InboxPreview({ client, product, theme, isPhone, locale, rightToLeft, variables }: InboxPreviewProps) {
  const shared = { client, theme, locale, ...(variables ? { variables } : {}) };
  return (
    <div class={`mock ${theme} ${isPhone ? "phone" : "desktop"}`} dir={rightToLeft ? "rtl" : "ltr"} lang={locale || "en"}>
      {isPhone ? (
        <BellElement tag="inbox-list" class="mock-panel" {...shared} />
      ) : (
        <>
          <div class="mock-bar">
            <span class="mock-name" dir="auto">
              {product || t("Your product")}
            </span>
            <BellElement tag="inbox-bell" class="mock-bell" {...shared} />
          </div>
          <BellElement tag="inbox-list" class="mock-panel" {...shared} />
        </>
      )}
    </div>
  );
}
