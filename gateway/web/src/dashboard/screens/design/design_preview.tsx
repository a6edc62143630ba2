/** The live bell in the theme that is being made. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { gatewayAddress } from "../../core/api.ts";
import { number } from "../../core/format.ts";
import { t } from "../../core/text.ts";
import { isDark } from "../../core/theme.ts";
import { Switch } from "../../kit/fields.tsx";
import { Note } from "../../kit/page.tsx";
import { Tabs } from "../../kit/tabs.tsx";
import { InboxPreview } from "../../preview/inbox_preview.tsx";
import { PreviewClient } from "../../preview/preview_client.ts";
import { samples } from "../../preview/samples.ts";
import { weaknesses } from "./contrast.ts";
import { readColor } from "./read_color.ts";

const PREFERENCES = ["mentions", "orders", "billing"].map((slug) => ({
  slug,
  name: slug.charAt(0).toUpperCase() + slug.slice(1),
  channels: ["in_app", "email", "mobile_push"].map((channel) => ({ slug: channel, name: null, enabled: true })),
}));

export interface Design {
  readonly theme: object | null;
  readonly locale: string;
  readonly emptyInboxUrl: string;
}

export function DesignPreview({ design, product }: { design: Design; product: string }) {
  const [look, setLook] = useState<string>(isDark() ? "dark" : "light");
  const [empty, setEmpty] = useState(false);
  const rightToLeft = look === "rtl";
  const locale = rightToLeft ? "ar" : design.locale;
  const { theme, emptyInboxUrl } = design;
  const inbox = { theme, locale: design.locale || undefined, images: emptyInboxUrl ? { emptyInboxUrl } : undefined };
  const key = JSON.stringify(inbox);
  const client = useMemo(() => new PreviewClient({ url: gatewayAddress(), inbox: JSON.parse(key), preferences: PREFERENCES }), [key]);
  useEffect(() => client.replace(empty ? [] : samples(locale)), [client, empty, locale]);
  const weak = useMemo(() => weaknesses(theme, readColor), [key]);
  const looks = [
    { id: "light", label: t("Light") },
    { id: "dark", label: t("Dark") },
    { id: "phone", label: t("Phone") },
    { id: "rtl", label: t("Right to left") },
  ];
  return (
    <section class="design-preview" aria-label={t("Preview")}>
      <div class="design-looks">
        <Tabs segmented label={t("Look")} tabs={looks} value={look} onChange={setLook} />
        <Switch label={t("Empty")} checked={empty} onChange={setEmpty} />
      </div>
      <InboxPreview
        client={client}
        product={product}
        theme={look === "dark" ? "dark" : "light"}
        isPhone={look === "phone"}
        locale={locale || undefined}
        rightToLeft={rightToLeft}
      />
      <div class="design-warnings" role="status">
        {weak.length === 0 ? (
          <p class="quiet small">{t("All texts have a contrast of 4.5 : 1 or more, in the light and in the dark look.")}</p>
        ) : (
          <Note tone="warning">
            <p>{t("Hard to read or to see (WCAG 2.2, 1.4.3 and 1.4.11):")}</p>
            <ul>
              {weak.map(({ look: where, what, ratio, least }) => (
                <li key={what + where}>
                  {t("{what}, {look}: {ratio} : 1, at least {least} : 1 is needed", {
                    what,
                    look: { light: t("light look"), dark: t("dark look"), both: t("both looks") }[where],
                    ratio: number(ratio, { minimumFractionDigits: 1, maximumFractionDigits: 1 }),
                    least: number(least),
                  })}
                </li>
              ))}
            </ul>
          </Note>
        )}
      </div>
    </section>
  );
}
