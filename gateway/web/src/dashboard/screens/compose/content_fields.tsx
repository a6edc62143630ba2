/** What the notification says. */

import { t } from "../../core/text.ts";
import { Textarea, TextInput } from "../../kit/fields.tsx";
import { Card } from "../../kit/page.tsx";
import type { FieldsProps } from "./audience_fields.tsx";
import { CHANNELS, type ChannelName, type Override } from "./draft.ts";

export function ContentFields({ draft, problems, set, touched }: FieldsProps & { touched: boolean }) {
  return (
    <Card title={t("Notification")}>
      <TextInput
        label={t("Title")}
        value={draft.title}
        onValue={(title) => set({ title })}
        error={touched || draft.title ? problems.title : undefined}
        placeholder={t("Your order has shipped")}
      />
      <Textarea
        label={t("Text")}
        optional
        rows={4}
        value={draft.content}
        onValue={(content) => set({ content })}
        hint={t("Plain text, or HTML with simple markup.")}
      />
      <TextInput
        label={t("Link")}
        optional
        type="url"
        value={draft.action_url}
        onValue={(action_url) => set({ action_url })}
        placeholder="https://"
      />
      <div class="compose-pair">
        <TextInput
          label={t("Category")}
          optional
          mono
          value={draft.category}
          onValue={(category) => set({ category })}
          error={problems.category}
          placeholder="orders"
          hint={t("Users choose channels by category.")}
        />
        {draft.audience !== "topic" && (
          <TextInput
            label={t("Topic")}
            optional
            mono
            value={draft.topic}
            onValue={(topic) => set({ topic })}
            error={problems.topic}
            placeholder="orders.42"
            hint={t("What it is about; groups mails and pushes.")}
          />
        )}
      </div>
      <details class="fold" open={!!problems.attributes || undefined}>
        <summary>{t("Custom attributes")}</summary>
        <Textarea
          label={t("JSON")}
          rows={4}
          mono
          value={draft.attributes}
          onValue={(attributes) => set({ attributes })}
          error={problems.attributes}
          placeholder={'{"order": 42}'}
          hint={t("The bell shows “icon” and two “actions” with “label” and “url”. Push messages and chats show “image_url”.")}
        />
      </details>
      <ChannelTexts draft={draft} set={set} />
    </Card>
  );
}

function ChannelTexts({ draft, set }: Pick<FieldsProps, "draft" | "set">) {
  const change = (channel: ChannelName, changes: Override) =>
    set({ overrides: { ...draft.overrides, [channel]: { ...draft.overrides[channel], ...changes } } });
  const changed = CHANNELS.filter(([channel]) => Object.values(draft.overrides[channel] ?? {}).some((text) => text?.trim()));
  return (
    <details class="fold">
      <summary>
        {t("Other texts for some channels")}
        {changed.length > 0 && <span class="count"> {changed.map(([, label]) => label).join(", ")}</span>}
      </summary>
      {CHANNELS.map(([channel, label]) => {
        const own = draft.overrides[channel] ?? {};
        return (
          <details class="fold inner" key={channel}>
            <summary>{label}</summary>
            <TextInput label={t("Title")} optional value={own.title ?? ""} onValue={(title) => change(channel, { title })} placeholder={draft.title} />
            <Textarea label={t("Text")} optional rows={3} value={own.content ?? ""} onValue={(content) => change(channel, { content })} placeholder={draft.content} />
            <TextInput label={t("Link")} optional value={own.action_url ?? ""} onValue={(action_url) => change(channel, { action_url })} placeholder={draft.action_url} />
          </details>
        );
      })}
    </details>
  );
}
