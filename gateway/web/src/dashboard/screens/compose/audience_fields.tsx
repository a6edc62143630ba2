/** Who gets the notification: users by name, subscribers, those that match a condition, or everyone. */

import { plural, t } from "../../core/text.ts";
import { Button, IconButton } from "../../kit/button.tsx";
import { Select, Textarea, TextInput } from "../../kit/fields.tsx";
import { Card } from "../../kit/page.tsx";
import { Tabs } from "../../kit/tabs.tsx";
import { AudienceCount, audienceProblem, type AudienceQuery } from "./audience_count.tsx";
import { ATTRIBUTES, type Clause, CUSTOM } from "./condition.ts";
import { type AudienceKind, conditionOf, type Draft, type Problems, usersIn } from "./draft.ts";

export interface FieldsProps {
  draft: Draft;
  problems: Problems;
  set: (changes: Partial<Draft>) => void;
}

const kinds = () => [
  { id: "users", label: t("Users") },
  { id: "topic", label: t("Topic") },
  { id: "condition", label: t("Condition") },
  { id: "everyone", label: t("Everyone") },
];

export function AudienceFields({ draft, problems: missing, set, count }: FieldsProps & { count: AudienceQuery }) {
  const refused = audienceProblem(count);
  const { audience } = draft;
  // A field has the name of its kind of audience.
  const problems = audience === "everyone" || !refused ? missing : { [audience]: refused, ...missing };
  return (
    <Card title={t("Audience")} actions={<AudienceCount query={count} />}>
      <Tabs segmented label={t("Audience")} tabs={kinds()} value={draft.audience} onChange={(id) => set({ audience: id as AudienceKind })} />
      {draft.audience === "users" && <NamedUsers draft={draft} problems={problems} set={set} />}
      {draft.audience === "topic" && (
        <TextInput
          label={t("Topic")}
          value={draft.topic}
          onValue={(topic) => set({ topic })}
          error={problems.topic}
          placeholder="orders.42"
          mono
          hint={t("Users who subscribe to the notification's category in this topic, or to all of its categories.")}
        />
      )}
      {draft.audience === "condition" && <Condition draft={draft} problems={problems} set={set} />}
      {draft.audience === "everyone" && <p class="quiet">{t("All users of the project. Those who are created later do not get it.")}</p>}
    </Card>
  );
}

function NamedUsers({ draft, problems, set }: FieldsProps) {
  const named = usersIn(draft.users).length;
  return (
    <Textarea
      label={t("External ids and emails")}
      rows={3}
      value={draft.users}
      onValue={(users) => set({ users })}
      error={problems.users}
      placeholder={"ada\nbob@example.com"}
      mono
      hint={
        named > 0
          ? plural(named, "{n} user is named. One that is unknown is created.", "{n} users are named. Those that are unknown are created.")
          : t("One per line, or separated by commas.")
      }
    />
  );
}

function Condition({ draft, problems, set }: FieldsProps) {
  const { clauses, join, asText } = draft;
  const change = (at: number, changes: Partial<Clause>) =>
    set({ clauses: clauses.map((clause, index) => (index === at ? { ...clause, ...changes } : clause)) });
  if (asText)
    return (
      <div class="compose-condition">
        <Textarea
          label={t("Condition")}
          rows={3}
          mono
          value={draft.condition}
          onValue={(condition) => set({ condition })}
          error={problems.condition}
          placeholder={'custom_attributes.plan = "pro" and not email = null'}
          hint={t("Comparisons with = and !=, joined by and, or, not and parentheses.")}
        />
        <Button size="small" kind="quiet" onClick={() => set({ asText: false })}>
          {t("Use the form")}
        </Button>
      </div>
    );
  return (
    <div class="compose-condition">
      {clauses.map((clause, at) => (
        <ClauseRow
          key={at}
          clause={clause}
          first={at === 0}
          join={join}
          onJoin={(next) => set({ join: next })}
          onChange={(changes) => change(at, changes)}
          {...(clauses.length > 1 ? { onRemove: () => set({ clauses: clauses.filter((_, index) => index !== at) }) } : {})}
        />
      ))}
      {problems.condition && <p class="field-error">{problems.condition}</p>}
      <div class="compose-row">
        <Button
          size="small"
          icon="plus"
          onClick={() => set({ clauses: [...clauses, { attribute: CUSTOM, is: true, value: "" }] })}
        >
          {t("Add a comparison")}
        </Button>
        <Button size="small" kind="quiet" onClick={() => set({ asText: true, condition: conditionOf(draft) })}>
          {t("Edit as text")}
        </Button>
      </div>
      {conditionOf(draft) && <code class="compose-shown">{conditionOf(draft)}</code>}
    </div>
  );
}

interface ClauseProps {
  clause: Clause;
  first: boolean;
  join: Draft["join"];
  onJoin: (join: Draft["join"]) => void;
  onChange: (changes: Partial<Clause>) => void;
  onRemove?: () => void;
}

function ClauseRow({ clause, first, join, onJoin, onChange, onRemove }: ClauseProps) {
  const isCustom = clause.attribute.startsWith(CUSTOM);
  const attributes = [
    ...ATTRIBUTES.map((name) => ({ value: name, label: name })),
    { value: CUSTOM, label: t("custom") },
  ];
  return (
    <div class="clause">
      {first ? (
        <span class="clause-word">{t("where")}</span>
      ) : (
        <Select
          bare
          label={t("Joined by")}
          value={join}
          onValue={(value) => onJoin(value as Draft["join"])}
          options={[
            { value: "and", label: t("and") },
            { value: "or", label: t("or") },
          ]}
        />
      )}
      <Select
        bare
        label={t("Attribute")}
        value={isCustom ? CUSTOM : clause.attribute}
        onValue={(attribute) => onChange({ attribute })}
        options={attributes}
      />
      {isCustom && (
        <TextInput
          bare
          label={t("Name of the custom attribute")}
          value={clause.attribute.slice(CUSTOM.length)}
          onValue={(name) => onChange({ attribute: CUSTOM + name.trim() })}
          placeholder="plan"
          mono
        />
      )}
      <Select
        bare
        label={t("Comparison")}
        value={clause.is ? "=" : "!="}
        onValue={(value) => onChange({ is: value === "=" })}
        options={[
          { value: "=", label: t("is") },
          { value: "!=", label: t("is not") },
        ]}
      />
      <TextInput bare label={t("Value")} value={clause.value} onValue={(value) => onChange({ value })} placeholder="pro" mono />
      {onRemove && <IconButton icon="close" size="small" label={t("Remove the comparison")} onClick={onRemove} />}
    </div>
  );
}
