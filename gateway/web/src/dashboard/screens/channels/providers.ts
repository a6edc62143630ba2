/** The providers by what they do, with the lane and the pages that belong to each. */

import { t } from "../../core/text.ts";
import type { IconName } from "../../kit/icons.tsx";

export interface ProviderInfo {
  /** The name of its integration, in addresses. */
  name: string;
  title: string;
  text: string;
  icon: IconName;
  group: "email" | "push" | "chat" | "incoming";
  /** The lane of its deliveries. Providers of email share one. */
  lane?: string;
  /** Whether it sends, so that a test can be sent. */
  sends?: boolean;
  /** Whether it calls the gateway: with events of its own, or with reports about mails. */
  calls?: boolean;
  /** Whether it works without a configuration. */
  ready?: boolean;
}

/** Return all providers. */
export function providers(): readonly ProviderInfo[] {
  const mail = { group: "email", icon: "mail", lane: "email", sends: true } as const;
  const push = { group: "push", icon: "phone", sends: true } as const;
  const incoming = { group: "incoming", icon: "webhook", calls: true } as const;
  return [
    { ...mail, name: "smtp", title: "SMTP", text: t("Any mail server.") },
    { ...mail, name: "ses", title: "Amazon SES", text: t("Email by Amazon.") },
    { ...mail, name: "sendgrid", title: "SendGrid", text: t("Email, with reports about bounces and complaints."), calls: true },
    { ...mail, name: "mailgun", title: "Mailgun", text: t("Email, with reports about bounces and complaints."), calls: true },
    { ...mail, name: "ping_email", title: "Ping email", text: t("Email through an address of your own.") },
    { ...push, name: "apns", title: "APNs", text: t("iPhone, iPad and Mac."), lane: "apns" },
    { ...push, name: "fcm", title: "FCM", text: t("Android, by Firebase."), lane: "fcm" },
    { ...push, name: "expo", title: "Expo", text: t("Apps made with Expo. The key is needed only if your account demands one."), lane: "expo", ready: true },
    { ...push, name: "web_push", title: t("Web push"), text: t("Browsers, without any account. The keys are made when the first browser subscribes."), lane: "web_push", icon: "screen", ready: true },
    { group: "chat", icon: "chat", name: "slack", title: "Slack", text: t("Channels of workspaces where your app is installed."), lane: "slack", sends: true },
    { group: "chat", icon: "phone", name: "twilio", title: "Twilio", text: t("SMS."), lane: "sms", sends: true },
    { ...incoming, name: "github", title: "GitHub", text: t("Notifications from webhooks of GitHub.") },
    { ...incoming, name: "stripe", title: "Stripe", text: t("Notifications from webhooks of Stripe.") },
    { ...incoming, name: "awssns", title: "Amazon SNS", text: t("Notifications from topics of Amazon SNS.") },
    { ...incoming, name: "eventsource", title: t("Event source"), text: t("Notifications from requests of your own services.") },
  ];
}

/** Return the groups in their order, with their titles. */
export function groups(): readonly { id: ProviderInfo["group"]; title: string; text: string }[] {
  return [
    { id: "email", title: t("Email"), text: t("One of these is enough.") },
    { id: "push", title: t("Push"), text: t("To apps and browsers.") },
    { id: "chat", title: t("Chat and SMS"), text: t("Microsoft Teams needs no setup: users register the webhook of a channel.") },
    { id: "incoming", title: t("Incoming webhooks"), text: t("What other services send becomes notifications.") },
  ];
}
