/**
 * The texts of the elements that are needed at once. Others are loaded with what they are of: panel_english.ts,
 * settings_english.ts. `{name}` is a placeholder. A text that depends on `count` has a form for each plural category of
 * its language (Intl.PluralRules). Other languages are in locales/.
 */
export const ENGLISH = {
  title: "Notifications",
  bell: { one: "Notifications, {count} unread", other: "Notifications, {count} unread" },
  over: "{count}+",
  arrived: { one: "{count} new: {title}", other: "{count} new: {title}" },
  close: "Close",
  dismiss: "Dismiss",
  signed_out: "You’re signed out",
  signed_out_hint: "Sign in to see your notifications.",
  failed: "Notifications couldn’t be loaded",
  retry: "Try again",
  settings_failed: "Settings couldn’t be loaded",
  settings: "Notification settings",
  loading: "Loading",
  request: "Request {id}",
} as const;
