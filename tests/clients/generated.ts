// An app with the client that openapi-typescript and openapi-fetch generate. It is compiled strictly, then run.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

declare const process: { env: Record<string, string | undefined> };

const { INBOX = "", API_KEY = "", API_SECRET = "", USER_ID = "", USER_HMAC = "" } = process.env;
const backend = createClient<paths>({
  baseUrl: INBOX,
  headers: { "X-MAGICBELL-API-KEY": API_KEY, "X-MAGICBELL-API-SECRET": API_SECRET },
});
const inbox = createClient<paths>({
  baseUrl: INBOX,
  headers: {
    "X-MAGICBELL-API-KEY": API_KEY,
    "X-MAGICBELL-USER-EXTERNAL-ID": USER_ID,
    "X-MAGICBELL-USER-HMAC": USER_HMAC,
  },
});

const start = await inbox.GET("/realtime/events");
const notification: components["schemas"]["NewNotification"] = {
  title: "Typed",
  custom_attributes: { order: 42 },
  recipients: [{ external_id: USER_ID, custom_attributes: { plan: "pro" } }],
};
const sent = await backend.POST("/notifications", { body: { notification } });
await inbox.PUT("/notification_preferences", {
  body: { notification_preferences: { categories: [{ slug: "news", channels: [{ slug: "email", enabled: false }] }] } },
});
const listed = await inbox.GET("/notifications", { params: { query: { per_page: 5 } } });
const pulled = await inbox.GET("/realtime/events", { params: { query: { since: start.data?.position } } });

// The newer dialect, with the tokens and integrations whose operations are generated.
const broadcast = await backend.POST("/v2/broadcasts", {
  body: { title: "Typed", recipients: [{ external_id: USER_ID }], overrides: { channels: { sms: { title: "Short" } } } },
});
const short: string | null | undefined = broadcast.data?.overrides?.channels?.sms?.title;
await inbox.PUT("/v2/channels/mobile_push/fcm/tokens", { body: { device_token: "a1b2".repeat(16) } });
const tokens = await inbox.GET("/v2/channels/mobile_push/fcm/tokens", { params: { query: { limit: 1 } } });
await backend.PUT("/v2/integrations/expo", { body: { access_token: "an-access-token" } });
const integrations = await backend.GET("/v2/integrations");
const events = await backend.GET("/v2/events", { params: { query: { limit: 1 } } });

const project: number | undefined = listed.data?.project_id;
const plan: unknown = listed.data?.notifications[0]?.recipient.custom_attributes.plan;
const names: components["schemas"]["Event"]["name"][] = pulled.data?.events.map((event) => event.name) ?? [];
console.log(
  JSON.stringify({
    sent: sent.data?.notification.id === listed.data?.notifications[0]?.id,
    titles: listed.data?.notifications.map((item) => item.title),
    project: typeof project,
    plan,
    names,
    v2: [short, tokens.data?.data.length, integrations.data?.data[0]?.name, events.data?.data.length],
    changed: pulled.data?.events[1]?.data.notification_preferences?.categories[0]?.slug,
  }),
);
