/**
 * The service worker for web push, for a site's own service worker to import:
 *
 *     importScripts("https://gateway.example.com/push-worker.js");
 *
 * It handles the messages of this gateway only (docs/channels/web-push.md), so that it fits beside other listeners.
 */

interface Windows {
  readonly url: string;
  focus(): Promise<Windows>;
  postMessage(message: object): void;
}

/** The part of a service worker's global object that is used. TypeScript has it only without that of pages. */
interface Scope {
  readonly location: Location;
  readonly registration: ServiceWorkerRegistration;
  readonly navigator: { setAppBadge?(count?: number): Promise<void> };
  readonly clients: {
    matchAll(options: object): Promise<readonly Windows[]>;
    openWindow(url: string): Promise<Windows | null>;
  };
  addEventListener(type: string, listener: (event: WorkerEvent) => void): void;
}

interface WorkerEvent {
  readonly data: { json(): unknown } | null;
  readonly notification: Notification;
  readonly oldSubscription?: PushSubscription | null;
  readonly newSubscription?: PushSubscription | null;
  waitUntil(done: Promise<unknown>): void;
}

interface Message {
  readonly notification?: NotificationOptions & {
    readonly title?: string;
    readonly navigate?: string;
    readonly data?: { readonly id?: string };
  };
  readonly app_badge?: number;
}

const worker = self as unknown as Scope;

/** Return the message of a push event, undefined if it is not of this gateway. */
function messageOf({ data }: WorkerEvent): Message | undefined {
  try {
    const message = data?.json() as Message;
    return message.notification?.title && message.notification.data?.id ? message : undefined;
  } catch {
    return undefined; // not JSON, or empty
  }
}

worker.addEventListener("push", (event) => {
  const message = messageOf(event);
  if (!message) return;
  const { title, navigate, data, ...options } = message.notification!;
  const shown = worker.registration.showNotification(title!, { ...options, data: { ...data, navigate, inbox: true } });
  const badge = worker.navigator.setAppBadge?.(message.app_badge).catch(() => {});
  event.waitUntil(Promise.all([shown, badge]));
});

worker.addEventListener("notificationclick", (event) => {
  const { data } = event.notification;
  if (!data?.inbox) return;
  event.notification.close();
  event.waitUntil(open(data.id, data.navigate));
});

/** Go to the tab that has the address open, or open it. Without an address, go to any tab. All tabs learn of it. */
async function open(id: string, navigate: string | undefined): Promise<void> {
  const { href, protocol } = new URL(navigate ?? "/", worker.location.origin);
  const tabs = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  const there = navigate ? tabs.find(({ url }) => url === href) : tabs[0];
  const opened = there ? await there.focus() : /^https?:$/.test(protocol) ? await worker.clients.openWindow(href) : null;
  for (const tab of new Set([...tabs, opened])) tab?.postMessage({ type: "inbox-push-opened", id });
}

worker.addEventListener("pushsubscriptionchange", (event) => {
  event.waitUntil(renew(event));
});

/** Subscribe again, as before. A tab saves the new subscription, now or when the next one is opened. */
async function renew({ oldSubscription, newSubscription }: WorkerEvent): Promise<void> {
  const { pushManager } = worker.registration;
  if (!newSubscription && oldSubscription) await pushManager.subscribe(oldSubscription.options);
  for (const tab of await worker.clients.matchAll({ type: "window", includeUncontrolled: true }))
    tab.postMessage({ type: "inbox-push-renewed" });
}
