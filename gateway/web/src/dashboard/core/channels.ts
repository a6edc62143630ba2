/** Channels and routes as people call them. */

import { t } from "./text.ts";

const NAMES: Record<string, () => string> = {
  in_app: () => t("Inbox"),
  email: () => t("Email"),
  mobile_push: () => t("Mobile push"),
  web_push: () => t("Web push"),
  slack: () => "Slack",
  teams: () => "Microsoft Teams",
  sms: () => "SMS",
  webhook: () => t("Webhooks"),
  webhooks: () => t("Webhooks"),
  apns: () => t("Push by APNs"),
  fcm: () => t("Push by FCM"),
  expo: () => t("Push by Expo"),
};

const PROVIDERS: Record<string, string> = {
  apns: "APNs",
  awssns: "Amazon SNS",
  expo: "Expo",
  fcm: "FCM",
  mailgun: "Mailgun",
  sendgrid: "SendGrid",
  ses: "Amazon SES",
  slack: "Slack",
  smtp: "SMTP",
  teams: "Microsoft Teams",
  twilio: "Twilio",
};

/** Return the name of a provider, such as "SendGrid", or of another one as it is. */
export function providerName(name: string): string {
  return PROVIDERS[name] ?? name.replaceAll("_", " ");
}

/** Return the name of a channel, a route, or another one as it is. */
export function channelName(name: string): string {
  return NAMES[name]?.() ?? name;
}
