/** Channels and routes as people call them. */

import { t } from "./text.ts";

const NAMES: Record<string, () => string> = {
  in_app: () => t("Inbox"),
  email: () => t("Mail"),
  mobile_push: () => t("Push"),
  web_push: () => t("Web push"),
  slack: () => "Slack",
  teams: () => "Teams",
  sms: () => "SMS",
  webhook: () => t("Webhooks"),
  webhooks: () => t("Webhooks"),
  apns: () => t("Push by APNs"),
  fcm: () => t("Push by FCM"),
  expo: () => t("Push by Expo"),
};

/** Return the name of a channel, a route, or another one as it is. */
export function channelName(name: string): string {
  return NAMES[name]?.() ?? name;
}
