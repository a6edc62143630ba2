/** Inbox design: the look of the bell for all users of the project, beside the live bell. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { data, projectApi } from "../../core/api.ts";
import { toast } from "../../core/live_region.ts";
import { invalidate, useQuery } from "../../core/query.ts";
import { guardLeaving } from "../../core/router.ts";
import { useSession } from "../../core/session.ts";
import { useStyles } from "../../core/styles.ts";
import { t } from "../../core/text.ts";
import { Button } from "../../kit/button.tsx";
import { copyText, CopyCurl } from "../../kit/copy.tsx";
import { Select, TextInput } from "../../kit/fields.tsx";
import { Card, Note, Page } from "../../kit/page.tsx";
import { Loaded, Skeleton } from "../../kit/states.tsx";
import previewCss from "../../preview/preview.css";
import type { ScreenProps } from "../../screens.ts";
import { cssOf } from "./contrast.ts";
import css from "./design.css";
import { DesignPreview } from "./design_preview.tsx";
import { readColor } from "./read_color.ts";
import { ThemeFields } from "./theme_fields.tsx";
import { PRESETS, themeOf, type Values, valuesOf } from "./theme_form.ts";

/** What the integration has saved. */
interface Saved {
  readonly theme?: object | null;
  readonly locale?: string | null;
  readonly images?: { readonly emptyInboxUrl: string } | null;
  readonly brand?: { readonly name?: string | null; readonly logo_url?: string | null; readonly color?: string | null } | null;
}

interface Form {
  readonly values: Values;
  readonly locale: string;
  readonly emptyInboxUrl: string;
  readonly brandName: string;
  readonly logoUrl: string;
  readonly brandColor: string;
}

function formOf({ theme, locale, images, brand }: Saved): Form {
  return {
    values: valuesOf(theme),
    locale: locale ?? "",
    emptyInboxUrl: images?.emptyInboxUrl ?? "",
    brandName: brand?.name ?? "",
    logoUrl: brand?.logo_url ?? "",
    brandColor: brand?.color ?? "",
  };
}

/** Return the body that saves a form. What the form does not show stays as it was. */
function bodyOf(form: Form, saved: Saved): Saved {
  const brand = Object.entries({ name: form.brandName.trim(), logo_url: form.logoUrl.trim(), color: form.brandColor.trim() });
  const given = brand.filter(([, text]) => text);
  return {
    theme: themeOf(form.values, saved.theme),
    locale: form.locale || null,
    images: form.emptyInboxUrl.trim() ? { emptyInboxUrl: form.emptyInboxUrl.trim() } : null,
    ...(given.length ? { brand: Object.fromEntries(given) } : {}),
  };
}

const keyOf = (projectId: string) => `${projectId} inbox design`;

export default function InboxDesign({ projectId }: ScreenProps) {
  useStyles(previewCss);
  useStyles(css);
  const query = useQuery(keyOf(projectId), async (signal) => {
    const found = await data(projectApi(projectId).GET("/v2/integrations/inbox", { signal }));
    return (found.data[0]?.config ?? {}) as Saved;
  });
  return (
    <Loaded query={query} what={t("The design could not be loaded")} skeleton={<Page title={t("Inbox design")}><Skeleton lines={8} height={32} /></Page>}>
      {(saved) => <Editor key={`${projectId} ${JSON.stringify(saved)}`} projectId={projectId} saved={saved} />}
    </Loaded>
  );
}

const LOCALES = [
  ["", t("Same as the page")],
  ["en", "English"],
  ["de", "Deutsch"],
  ["es", "Español"],
  ["fr", "Français"],
  ["pt", "Português"],
  ["ar", "العربية"],
] as const;

function Editor({ projectId, saved }: { projectId: string; saved: Saved }) {
  const { can, project } = useSession();
  const before = useMemo(() => formOf(saved), [saved]);
  const [form, setForm] = useState(before);
  const isChanged = JSON.stringify(form) !== JSON.stringify(before);
  const mayChange = can("admin");
  const change = (changes: Partial<Form>) => setForm((now) => ({ ...now, ...changes }));
  const body = bodyOf(form, saved);
  const theme = body.theme ?? null;
  useEffect(() => (isChanged ? guardLeaving(() => window.confirm(t("Leave without saving the design?"))) : undefined), [isChanged]);

  async function save(): Promise<void> {
    await projectApi(projectId).PUT("/v2/integrations/inbox", { body: body as never });
    toast(t("The design is saved. Bells show it when they are loaded again."), "ok");
    invalidate(keyOf(projectId));
  }

  const locales = LOCALES.some(([tag]) => tag === form.locale) ? LOCALES : [...LOCALES, [form.locale, form.locale] as const];
  return (
    <Page
      title={t("Inbox design")}
      text={t("How the bell looks to all users of this project.")}
      actions={
        <>
          <Button size="small" kind="quiet" icon="copy" onClick={async () => (await copyText(cssOf(theme, readColor))) && toast(t("The CSS is copied"), "ok")}>
            {t("Copy as CSS")}
          </Button>
          <CopyCurl call={{ method: "PUT", path: "/v2/integrations/inbox", body }} />
        </>
      }
    >
      <div class="design">
        <div class="design-form">
          <Note>
            {t("What a page sets in its own CSS wins over what a user has installed, and that wins over this design.")}
          </Note>
          <Card title={t("Begin with")}>
            <div class="design-presets">
              <Button size="small" disabled={!mayChange} onClick={() => change({ values: {} })}>
                {t("Default")}
              </Button>
              {Object.entries(PRESETS).map(([name, values]) => (
                <Button key={name} size="small" disabled={!mayChange} onClick={() => change({ values })}>
                  {name}
                </Button>
              ))}
            </div>
          </Card>
          <ThemeFields
            values={form.values}
            disabled={!mayChange}
            set={(path, value) => setForm((now) => ({ ...now, values: { ...now.values, [path]: value } }))}
          />
          <Card title={t("Language and images")}>
            <Select
              label={t("Language")}
              value={form.locale}
              disabled={!mayChange}
              onValue={(locale) => change({ locale })}
              options={locales.map(([value, label]) => ({ value, label }))}
            />
            <TextInput
              label={t("Picture of an empty inbox")}
              optional
              type="url"
              value={form.emptyInboxUrl}
              disabled={!mayChange}
              onValue={(emptyInboxUrl) => change({ emptyInboxUrl })}
              placeholder="https://"
            />
          </Card>
          <Card title={t("Mails")} text={t("How mails to your users look.")}>
            <TextInput label={t("Sender")} optional value={form.brandName} disabled={!mayChange} onValue={(brandName) => change({ brandName })} placeholder={project?.name} maxLength={100} />
            <TextInput label={t("Logo")} optional type="url" value={form.logoUrl} disabled={!mayChange} onValue={(logoUrl) => change({ logoUrl })} placeholder="https://" hint={t("For a light background, 32 pixels high.")} />
            <TextInput label={t("Colour of buttons and links")} optional mono value={form.brandColor} disabled={!mayChange} onValue={(brandColor) => change({ brandColor })} placeholder="#4f46e5" />
          </Card>
        </div>
        <DesignPreview design={{ theme, locale: form.locale, emptyInboxUrl: form.emptyInboxUrl.trim() }} product={form.brandName || project?.name || ""} />
      </div>
      {mayChange && isChanged && (
        <div class="design-foot">
          <span class="quiet">{t("There are changes that are not saved.")}</span>
          <Button onClick={() => setForm(before)}>{t("Discard")}</Button>
          <Button kind="primary" onClick={save}>
            {t("Save")}
          </Button>
        </div>
      )}
    </Page>
  );
}
