/** What phones, browsers and chats show: drawings in their manner, with the texts as the gateway cuts them. */

import type { ComponentChildren } from "preact";
import { plural, t } from "../../core/text.ts";
import { Icon } from "../../kit/icons.tsx";
import type { ChannelPreview } from "./warnings.ts";

interface LookProps {
  brand: string;
  shown: ChannelPreview;
}

function AppIcon({ brand }: { brand: string }) {
  return (
    <span class="app-icon" aria-hidden="true">
      {[...(brand.trim() || "?")][0]?.toUpperCase()}
    </span>
  );
}

/** The drawing of a device, with its name below. */
function Device({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <figure class="device">
      {children}
      <figcaption>{name}</figcaption>
    </figure>
  );
}

/** A message in a chat, with the name of the chat below. */
function Chat({ name, look, children }: { name: string; look: string; children: ComponentChildren }) {
  return (
    <figure class="chat-frame">
      <div class={`chat ${look}`}>{children}</div>
      <figcaption>{name}</figcaption>
    </figure>
  );
}

/** A push message on the lock screen of an iPhone, and in the shade of Android. */
export function PushPreview({ brand, shown, theme }: LookProps & { theme: "light" | "dark" }) {
  const { title, content } = shown;
  return (
    <div class={`devices ${theme}`}>
      <Device name="iOS">
        <div class="ios">
          <AppIcon brand={brand} />
          <div>
            <p class="ios-title" dir="auto">
              <b>{title}</b>
              <span>{t("now")}</span>
            </p>
            <p class="ios-body" dir="auto">
              {content}
            </p>
          </div>
        </div>
      </Device>
      <Device name="Android">
        <div class="android">
          <AppIcon brand={brand} />
          <div>
            <p class="android-meta">
              {brand} · {t("now")}
            </p>
            <p class="android-title" dir="auto">
              {title}
            </p>
            <p class="android-body" dir="auto">
              {content}
            </p>
          </div>
        </div>
      </Device>
    </div>
  );
}

/** A push message of a browser on a desktop. */
export function WebPushPreview({ brand, shown, theme }: LookProps & { theme: "light" | "dark" }) {
  return (
    <div class={`devices ${theme}`}>
      <Device name={t("Desktop")}>
        <div class="desktop-push">
          <AppIcon brand={brand} />
          <div>
            <p class="android-title" dir="auto">
              {shown.title}
            </p>
            <p class="android-body" dir="auto">
              {shown.content}
            </p>
            <p class="android-meta">{location.hostname}</p>
          </div>
        </div>
      </Device>
    </div>
  );
}

/** A text message. */
export function SmsPreview({ shown }: { shown: ChannelPreview }) {
  return (
    <div class="sms">
      <p class="bubble" dir="auto">
        {shown.content}
      </p>
      <p class="quiet small">
        {plural([...shown.content].length, "{n} character", "{n} characters")} ·{" "}
        {plural(shown.segments ?? 0, "{n} text message", "{n} text messages")}
      </p>
    </div>
  );
}

/** A message in Slack. */
export function SlackPreview({ brand, shown, theme }: LookProps & { theme: "light" | "dark" }) {
  return (
    <Chat name="Slack" look={`slack ${theme}`}>
      <AppIcon brand={brand} />
      <div>
        <p>
          <b>{brand}</b> <span class="chat-app">APP</span> <span class="chat-time">{t("now")}</span>
        </p>
        {shown.title && (
          <p class="slack-title" dir="auto">
            {shown.title}
          </p>
        )}
        <p class="chat-text" dir="auto">
          {shown.content}
        </p>
        {shown.action_url && <p class="chat-link">{t("Open")}</p>}
        <p class="chat-time">{brand}</p>
      </div>
    </Chat>
  );
}

/** A card in Microsoft Teams. */
export function TeamsPreview({ brand, shown, theme }: LookProps & { theme: "light" | "dark" }) {
  return (
    <Chat name="Microsoft Teams" look={`teams ${theme}`}>
      <div class="card-of-teams">
        {shown.title && (
          <p class="teams-title" dir="auto">
            {shown.title}
          </p>
        )}
        <p class="chat-text" dir="auto">
          {shown.content}
        </p>
        <p class="chat-time">{brand}</p>
        {shown.action_url && (
          <p class="teams-button">
            {t("Open")} <Icon name="external" size={12} />
          </p>
        )}
      </div>
    </Chat>
  );
}
