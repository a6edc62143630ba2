"""Web push from the bell.

Subscriptions are of the page's own making, because Chromium's push service cannot be replaced. Those of
tests/providers/test_firefox.py are real.
"""

import json

from playwright.sync_api import Locator, Page, expect

from tests.browser.console import Messages
from tests.browser.site import Site
from tests.servers import wait_for

FAKE_SUBSCRIPTIONS = """
window.read = () => JSON.parse(localStorage.getItem("fake") ?? "null");
const base64 = (text) => text.replaceAll("-", "+").replaceAll("_", "/");
const bytes = (text) => Uint8Array.from(atob(base64(text)), (one) => one.charCodeAt(0));
const keys = {
  auth: "BTBZMqHH6r4Tts7J_aSIgg",
  p256dh: "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
};
window.subscription = (made) => made && {
  endpoint: made.endpoint,
  options: { applicationServerKey: bytes(made.key).buffer },
  toJSON: () => ({ endpoint: made.endpoint, keys }),
  unsubscribe: async () => { localStorage.removeItem("fake"); return true; },
};
PushManager.prototype.getSubscription = async () => subscription(read());
PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey: key }) => {
  if (!userVisibleOnly) throw new Error("not visible");
  const endpoint = `https://fcm.googleapis.com/fcm/send/${crypto.randomUUID()}`;
  localStorage.setItem("fake", JSON.stringify({ key, endpoint }));
  return subscription(read());
};
"""


def push_page(site: Site, page: Page, user: str) -> Locator:
    """Open a page with a bell and the settings of a user, both with a service worker. Return the settings."""
    worker = f'importScripts("{site.url}/push-worker.js");'
    site.pages.add("/push.js", worker, "text/javascript")
    attributes = {"push_worker": "/push.js"}
    elements = site.element(user, **attributes), site.element(user, "inbox-preferences", **attributes)
    page.goto(site.page(elements[0], main=elements[1]))
    return page.locator("inbox-preferences")


def tokens(site: Site, user: str) -> list[str]:
    """Return the endpoints at which a user gets web push."""
    return [token["endpoint"] for token in site.request("GET", "/v2/channels/web_push/tokens", user).json()["data"]]


def test_a_user_turns_web_push_on_and_off(page: Page, site: Site, user: str) -> None:
    page.context.grant_permissions(["notifications"], origin=site.pages.url)
    page.add_init_script(FAKE_SUBSCRIPTIONS)
    settings = push_page(site, page, user)
    settings.get_by_role("button", name="Turn on").click()
    expect(settings.get_by_text("On in this browser.")).to_be_visible()
    assert page.evaluate("read().endpoint") == tokens(site, user)[0]
    assert page.evaluate("localStorage.getItem('inbox-push')").find("googleapis") == -1
    page.reload()
    expect(settings.get_by_text("On in this browser.")).to_be_visible()
    settings.get_by_role("button", name="Turn off").click()
    expect(settings.get_by_role("button", name="Turn on")).to_be_visible()
    assert tokens(site, user) == []
    assert page.evaluate("read()") is None


def test_the_subscription_follows_the_browser_and_ends_with_another_user(page: Page, site: Site, user: str) -> None:
    page.context.grant_permissions(["notifications"], origin=site.pages.url)
    page.add_init_script(FAKE_SUBSCRIPTIONS)
    settings = push_page(site, page, user)
    settings.get_by_role("button", name="Turn on").click()
    expect(settings.get_by_text("On in this browser.")).to_be_visible()
    first = tokens(site, user)
    page.evaluate("subscription(read()).unsubscribe()")
    page.reload()
    wait_for(lambda: len(tokens(site, user)) == 2, "the new subscription")
    assert tokens(site, user)[1:] == first
    push_page(site, page, f"other-{user}")
    page.wait_for_function("read() === null && localStorage.getItem('inbox-push') === null")
    expect(settings.get_by_role("button", name="Turn on")).to_be_visible()


def test_a_refusal_and_a_failure_are_explained(page: Page, site: Site, user: str, errors: Messages) -> None:
    page.add_init_script("PushManager.prototype.subscribe = async () => { throw new Error('no push service'); }")
    page.add_init_script("if (location.search) Object.defineProperty(Notification, 'permission', { value: 'denied' })")
    settings = push_page(site, page, user)
    page.goto(f"{page.url}?denied")
    expect(settings.get_by_text("Blocked by your browser.")).to_be_visible()
    expect(settings.get_by_role("button")).to_have_count(0)
    page.context.grant_permissions(["notifications"], origin=site.pages.url)
    page.goto(page.url.removesuffix("?denied"))
    settings.get_by_role("button", name="Turn on").click()
    expect(settings.get_by_text("That didn’t work. Try again later.")).to_be_visible()
    assert tokens(site, user) == []
    page.add_init_script("delete window.PushManager")
    page.reload()
    expect(settings.get_by_text("This browser doesn’t support notifications.")).to_be_visible()
    errors.expect()


def test_the_worker_shows_a_message_and_a_click_marks_it_as_read(page: Page, site: Site, user: str) -> None:
    page.context.grant_permissions(["notifications"], origin=site.pages.url)
    page.add_init_script(FAKE_SUBSCRIPTIONS)
    registrations: list[str] = []
    devtools = page.context.new_cdp_session(page)
    devtools.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda event: registrations.extend(each["registrationId"] for each in event["registrations"]),
    )
    devtools.send("ServiceWorker.enable")
    settings = push_page(site, page, user)
    settings.get_by_role("button", name="Turn on").click()
    expect(settings.get_by_text("On in this browser.")).to_be_visible()
    page.reload()  # so that the bell listens to the worker
    expect(settings.get_by_text("On in this browser.")).to_be_visible()
    sent = site.send("Hello", user)

    def deliver(message: object) -> None:
        arguments = {"origin": site.pages.url, "registrationId": registrations[-1], "data": json.dumps(message)}
        devtools.send("ServiceWorker.deliverPushMessage", arguments)

    deliver({"another": "message"})
    notification = {"title": "Hello", "body": "5 < 7", "navigate": page.url, "tag": "a", "data": {"id": sent}}
    deliver({"notification": notification, "app_badge": 1})
    worker = page.context.service_workers[0]
    [shown] = page.wait_for_function(
        """async () => {
          const [registration] = await navigator.serviceWorker.getRegistrations();
          const found = await registration.getNotifications();
          return found.length && found.map(({ title, body, tag, data }) => ({ title, body, tag, data }));
        }"""
    ).json_value()
    data = {"id": sent, "navigate": page.url, "inbox": True}
    assert shown == {"title": "Hello", "body": "5 < 7", "tag": "a", "data": data}
    worker.evaluate(
        """async () => {
          const focus = async function () { self.focused = this.url; return this; }; // a real one needs a real click
          Object.assign(WindowClient.prototype, { focus });
          const [notification] = await registration.getNotifications();
          self.dispatchEvent(new NotificationEvent("notificationclick", { notification }));
        }"""
    )
    wait_for(lambda: site.inbox(user)["notifications"][0]["read_at"] is not None, "the notification to be read")
    assert worker.evaluate("self.focused") == page.url
