/** The drawer of a provider: configuration, test, address for its webhooks, and removal. */

import { gatewayAddress, request } from "../../core/api.ts";
import { toast } from "../../core/live_region.ts";
import { useQuery } from "../../core/query.ts";
import { publicAddress, useCan } from "../../core/session.ts";
import { t } from "../../core/text.ts";
import { Status } from "../../kit/badge.tsx";
import { Button } from "../../kit/button.tsx";
import { confirm } from "../../kit/confirm.tsx";
import { Copy, CopyCurl } from "../../kit/copy.tsx";
import { Drawer } from "../../kit/dialog.tsx";
import { Note } from "../../kit/page.tsx";
import { Loaded } from "../../kit/states.tsx";
import { resume, stateWord } from "./card.tsx";
import { ConfigForm, ConfigList } from "./form.tsx";
import type { ProviderInfo } from "./providers.ts";
import { fieldsOf } from "./schema.ts";
import type { ProviderState } from "./state.ts";
import { TestForm } from "./test_form.tsx";

interface DrawerProps {
  projectId: string;
  provider: ProviderInfo;
  state: ProviderState;
  onClose: () => void;
  onChange: () => void;
}

async function openApi(signal: AbortSignal): Promise<unknown> {
  const response = await fetch(`${gatewayAddress()}/openapi.json`, { signal });
  if (!response.ok) throw new Error(t("The description of the API could not be loaded"));
  return response.json();
}

/** The drawer. Admins edit the configuration, others read it. */
export function ConfigDrawer({ projectId, provider, state, onClose, onChange }: DrawerProps) {
  const can = useCan();
  const schema = useQuery(`openapi ${provider.name}`, async (signal) => fieldsOf(await openApi(signal), provider.name));
  const [word, tone] = stateWord(state, provider);
  const path = `/v2/integrations/${provider.name}`;
  const isSaved = state.config !== undefined;

  async function remove(): Promise<void> {
    const agreed = await confirm({
      title: t("Remove {name}?", { name: provider.title }),
      text: t("The configuration is deleted with its secrets. Nothing more is sent by it."),
      action: t("Remove"),
      danger: true,
      curl: { method: "DELETE", path },
    });
    if (!agreed) return;
    await request("DELETE", `api/projects/${projectId}${path}`);
    toast(t("{name} is removed", { name: provider.title }), "ok");
    onChange();
    onClose();
  }

  return (
    <Drawer title={provider.title} onClose={onClose} actions={<CopyCurl call={{ path }} />}>
      <p>
        <Status tone={tone}>{word}</Status> <span class="quiet">{provider.text}</span>
      </p>
      {state.kind === "stopped" && state.lane && (
        <Note tone="danger">
          <p>{t("The provider refuses the configuration: {reason}. Deliveries wait, and nothing is lost. Save a correct configuration, and they continue.", { reason: state.lane.reason ?? "" })}</p>
          {can("admin") && (
            <Button size="small" icon="play" onClick={async () => (await resume(projectId, state.lane?.lane ?? ""), onChange())}>
              {t("Resume without a change")}
            </Button>
          )}
        </Note>
      )}
      <Loaded query={schema} what={t("The form could not be loaded")}>
        {(fields) =>
          can("admin") ? (
            <ConfigForm key={state.id} projectId={projectId} provider={provider} fields={fields} saved={state.config} onSaved={onChange} />
          ) : isSaved ? (
            <ConfigList fields={fields} saved={state.config} />
          ) : (
            <p class="quiet">{t("An admin can configure it.")}</p>
          )
        }
      </Loaded>
      {provider.calls && state.id && <WebhookAddress provider={provider} id={state.id} />}
      {provider.sends && can("editor") && (isSaved || provider.ready) && <TestForm projectId={projectId} provider={provider} />}
      {isSaved && can("admin") && (
        <div class="form-foot">
          <Button icon="trash" onClick={remove}>
            {t("Remove")}
          </Button>
        </div>
      )}
    </Drawer>
  );
}

function WebhookAddress({ provider, id }: { provider: ProviderInfo; id: string }) {
  const address = `${publicAddress()}/v2/integrations/${provider.name}/webhooks/incoming/${id}`;
  return (
    <section class="part">
      <h3>{t("Address for webhooks")}</h3>
      <p class="quiet small">{provider.group === "email" ? t("Enter it at the provider, to get reports about bounces and complaints.") : t("Enter it at the service that sends the webhooks.")}</p>
      <Copy text={address} label={t("Copy the address")} />
    </section>
  );
}
