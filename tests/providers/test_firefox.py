"""Web push to Firefox itself: a real subscription, a message that we encrypt, and the text that it shows.

Firefox connects to the push service of tests/stubs/firefox_push.py. The service worker is that of the gateway, and the
page reports what is shown.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.channels.outcome import Delivered
from gateway.channels.web_push import PROVIDER, deliver, new_key_pair
from tests.channels.messages import StubLinks, message_to
from tests.npm import WEB
from tests.servers import ADMIN, API_KEY, running_gateway, user_headers, user_hmac
from tests.stubs.firefox_push import FirefoxPush

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox") or ""
DOCUMENT = Path(__file__).parents[2] / "docs" / "channels" / "web-push.md"
SECONDS = 60

# Firefox never answers a page that subscribes before it is connected to its push service.
PAGE = """<!doctype html><title>page</title><script type="module">
while (!(await fetch("/connected")).ok) await new Promise((resolve) => setTimeout(resolve, 100));
%s
await fetch("/subscribed", { method: "POST", body: JSON.stringify(subscription) });
for (;;) {
  for (const shown of await registration.getNotifications()) {
    const { title, body, tag, data } = shown;
    shown.close();
    await fetch("/shown", { method: "POST", body: JSON.stringify({ title, body, tag, data }) });
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
}
</script>"""

KEYS = new_key_pair()
SUBSCRIBE = f"""
const registration = await navigator.serviceWorker.register("/service-worker.js");
await navigator.serviceWorker.ready;
const options = {{ userVisibleOnly: true, applicationServerKey: "{KEYS["public_key"]}" }};
const subscription = await registration.pushManager.subscribe(options);
"""


def preferences(push_url: str) -> dict[str, Any]:
    """Return the preferences of a profile that reaches nothing but this machine, and asks the user nothing."""
    return {
        "dom.push.serverURL": push_url,
        "dom.push.testing.allowInsecureServerURL": True,
        "permissions.default.desktop-notification": 1,
        "alerts.useSystemBackend": False,
        "network.proxy.type": 0,
        "network.captive-portal-service.enabled": False,
        "network.connectivity-service.enabled": False,
        "services.settings.server": "data:,none",
        "app.normandy.enabled": False,
        "app.update.disabledForTesting": True,
        "browser.aboutwelcome.enabled": False,
        "browser.shell.checkDefaultBrowser": False,
        "browser.safebrowsing.downloads.remote.enabled": False,
        "datareporting.policy.dataSubmissionEnabled": False,
        "extensions.update.enabled": False,
        "toolkit.telemetry.enabled": False,
        "toolkit.startup.max_resumed_crashes": -1,
    }


def documented(word: str) -> str:
    """Return the script of the documentation that contains a word."""
    blocks: list[str] = re.findall(r"```js\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return next(block for block in blocks if word in block)


@asynccontextmanager
async def subscribed(script: str, profile: Path, worker: str) -> AsyncIterator[FirefoxPush]:
    """Yield the push service of a Firefox whose page runs a script. It leaves `registration` and `subscription`.

    `worker` is the script of the service worker.
    """
    if not FIREFOX:
        pytest.skip("Firefox is not installed: `apt-get install firefox-esr`")
    pages = {"/": ("text/html", PAGE % script), "/service-worker.js": ("text/javascript", worker)}
    async with FirefoxPush(pages) as started:
        with running_firefox(FIREFOX, profile, started):
            yield started


@contextmanager
def running_firefox(program: str, profile: Path, push: FirefoxPush) -> Iterator[None]:
    """Run Firefox on the page of a push service."""
    settings = preferences(push.push_url)
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in settings.items()]
    (profile / "user.js").write_text("\n".join(lines))
    environment = {**os.environ, "HOME": str(profile), "MOZ_CRASHREPORTER_DISABLE": "1"}
    command = (program, "--headless", "--no-remote", "--profile", str(profile), push.url)
    with (profile / "log").open("wb") as log:
        firefox = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield
    finally:
        firefox.terminate()
        firefox.wait(20)


async def report(push: FirefoxPush, path: str) -> Any:
    """Return the next report to a path."""
    async with asyncio.timeout(SECONDS):
        while True:
            found, value = await push.reports.get()
            if found == path:
                return value


async def test_firefox_shows_what_we_encrypt(tmp_path: Path) -> None:
    async with subscribed(SUBSCRIBE, tmp_path, (WEB / "dist" / "assets" / "push-worker.js").read_text()) as push:
        subscription = await report(push, "/subscribed")
        token = {"endpoint": subscription["endpoint"], "keys": subscription["keys"]}
        links = StubLinks()
        for action_url in (None, "https://example.com/orders/7"):
            message = message_to(
                PROVIDER, token, config=KEYS, topic="order:7", content="<p>5 &lt; 7 Größe</p>", action_url=action_url
            )
            assert await deliver(message, links) == Delivered()
            shown = await report(push, "/shown")
            assert shown["data"].pop("navigate", None) == action_url
            assert shown == {
                "title": "Your order has shipped",
                "body": "5 < 7 Größe",
                "tag": "order:7",
                "data": {"id": message.notification_id, "category": "orders", "topic": "order:7", "inbox": True},
            }
        await links.close()
        async with asyncio.timeout(SECONDS):
            while len(push.acknowledged) < 2:
                await asyncio.sleep(0.01)
        assert push.acknowledged == [100, 100]


TURN_ON = f"""
await import(`${{gateway}}/inbox-bell.js`);
const settings = document.createElement("inbox-preferences");
const signed = {json.dumps({"apiKey": API_KEY, "userExternalId": "ada", "userHmac": user_hmac("ada")})};
document.body.append(Object.assign(settings, signed, {{ pushWorker: "/service-worker.js" }}));
async function button(text) {{
  for (;;) {{
    const found = [...settings.shadowRoot.querySelectorAll("button")].find((each) => each.textContent === text);
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }}
}}
(await button("Turn on")).click();
await button("Turn off");
const [registration] = await navigator.serviceWorker.getRegistrations();
const subscription = await registration.pushManager.getSubscription();
"""


@pytest.mark.parametrize("script", ["documented", "bell"])
async def test_a_page_subscribes_and_shows_what_a_backend_sends(tmp_path: Path, script: str) -> None:
    environment = {"INBOX_DELIVERY_WORKERS": "1", "INBOX_OUTBOUND_ALLOWED_NETWORKS": "127.0.0.1/32"}
    (tmp_path / "profile").mkdir()
    with running_gateway(tmp_path / "data", **environment) as gateway:
        known = f"const gateway = {json.dumps(gateway.url)};\nconst headers = {json.dumps(user_headers('ada'))};\n"
        page = known + (TURN_ON if script == "bell" else documented("auth_token"))
        worker = documented("importScripts").replace("https://inbox.example.com", gateway.url)
        async with subscribed(page, tmp_path / "profile", worker) as push:
            await report(push, "/subscribed")
            body = {"notification": {"title": "It works", "recipients": [{"external_id": "ada"}]}}
            async with httpx.AsyncClient(base_url=gateway.url) as client:
                assert (await client.post("/notifications", json=body, headers=ADMIN)).status_code == 201
            assert (await report(push, "/shown"))["title"] == "It works"
