"""From a request to a phone: a notification reaches the devices of a user by APNs, FCM and Expo."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.channels import apns, expo, fcm
from tests.servers import ADMIN, API_KEY, running_gateway, user_hmac
from tests.stubs.apns import Answer, ApnsStub, Fault, device_token
from tests.stubs.expo import ExpoStub
from tests.stubs.fcm import UNREGISTERED, FcmStub, error

SECONDS = 40
EXPO_TOKEN = "ExponentPushToken[xxxxxxxxxxxxxxxxxxxxxx]"


class Phones(NamedTuple):
    """A gateway with the three push services behind it, and two clients: a backend and a user."""

    apns: ApnsStub
    fcm: FcmStub
    expo: ExpoStub
    backend: httpx.AsyncClient
    user: httpx.AsyncClient


def public_key(pem: str) -> Any:
    return load_pem_private_key(pem.encode(), None).public_key()


@pytest.fixture
async def phones(tmp_path: Path) -> AsyncIterator[Phones]:
    apple = await ApnsStub(tmp_path, public_key=public_key(apns.INTEGRATION.example["certificate"])).start()
    async with AsyncExitStack() as stack:
        google = await stack.enter_async_context(FcmStub(public_key(fcm.INTEGRATION.example["private_key"])))
        exp = await stack.enter_async_context(ExpoStub())
        starting = running_gateway(
            tmp_path / "data",
            INBOX_DELIVERY_WORKERS="1",
            INBOX_PROVIDER_URLS=f"apns={apple.url},fcm={google.url},expo={exp.url}",
            INBOX_PROVIDER_CA_FILE=str(apple.ca_file),
        )
        gateway = await asyncio.to_thread(starting.__enter__)
        stack.push_async_callback(asyncio.to_thread, starting.__exit__, None, None, None)
        user = {
            "X-MAGICBELL-API-KEY": API_KEY,
            "X-MAGICBELL-USER-EXTERNAL-ID": "ada",
            "X-MAGICBELL-USER-HMAC": user_hmac("ada"),
        }
        clients = [httpx.AsyncClient(base_url=gateway.url, headers=each, timeout=SECONDS) for each in (ADMIN, user)]
        yield Phones(apple, google, exp, *[await stack.enter_async_context(each) for each in clients])
    await apple.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_notification_reaches_the_phones_of_a_user_and_dead_tokens_are_discarded(phones: Phones) -> None:
    for module in (apns, fcm, expo):
        kind = module.INTEGRATION
        (await phones.backend.put(f"/v2/integrations/{kind.name}", json=dict(kind.example))).raise_for_status()
    alive, gone = device_token(1), device_token(2)
    tokens = {
        "apns": [{"device_token": alive}, {"device_token": gone, "installation_id": "production"}],
        "fcm": [{"device_token": "t" * 80}, {"device_token": "d" * 80}],
        "expo": [{"device_token": EXPO_TOKEN}],
    }
    for kind_name, bodies in tokens.items():
        for body in bodies:
            path = f"/v2/channels/mobile_push/{kind_name}/tokens"
            (await phones.user.post(path, json=body)).raise_for_status()
    phones.apns.answers[gone] = Answer(410, "Unregistered", int((time.time() + 60) * 1000))
    phones.fcm.answers["d" * 80] = UNREGISTERED

    notification = {
        "title": "Your order has shipped",
        "content": "It arrives on <b>Friday</b>.",
        "topic": "order:7",
        "action_url": "app://orders/7",
        "overrides": {"channels": {"mobile_push": {"title": "Shipped"}}, "providers": {"ios": {"aps": {"badge": 42}}}},
        "recipients": [{"external_id": "ada"}],
    }
    sent = await phones.backend.post("/notifications", json={"notification": notification})
    notification_id = sent.json()["notification"]["id"]
    await until(lambda: len(phones.apns.pushes) == 2 and bool(phones.fcm.messages) and bool(phones.expo.messages))

    push = next(each for each in phones.apns.pushes if each.device_token == alive)
    assert push.payload["aps"]["alert"] == {"title": "Shipped", "body": "It arrives on Friday."}
    assert push.payload["aps"]["badge"] == 42
    assert push.payload["notification"]["id"] == notification_id
    assert phones.fcm.messages[0]["data"]["action_url"] == "app://orders/7"
    assert (phones.expo.messages[0]["title"], phones.expo.messages[0]["badge"]) == ("Shipped", 1)

    async def kept(kind_name: str) -> list[str]:
        listed = await phones.user.get(f"/v2/channels/mobile_push/{kind_name}/tokens")
        return [each["device_token"] for each in listed.json()["data"]]

    async with asyncio.timeout(SECONDS):
        while await kept("apns") != [alive] or await kept("fcm") != ["t" * 80]:
            await asyncio.sleep(0.05)
    assert await kept("expo") == [EXPO_TOKEN]
    trace = await phones.backend.get(f"/v2/users/external_id:ada/notifications/{notification_id}/trace")
    states = {(each["provider"], each["state"], each["code"]) for each in trace.json()["steps"] if each["provider"]}
    assert {("apns", "dead", "Unregistered"), ("fcm", "dead", "UNREGISTERED"), ("expo", "handed", None)} <= states
    assert {("apns", "delivered", None), ("fcm", "delivered", None)} <= states
    assert not any(token in trace.text for token in (alive, gone, "t" * 80, "d" * 80, EXPO_TOKEN))


async def test_a_push_that_fails_is_repeated_with_the_same_id_until_it_is_delivered(phones: Phones) -> None:
    (await phones.backend.put("/v2/integrations/apns", json=dict(apns.INTEGRATION.example))).raise_for_status()
    (await phones.backend.put("/v2/integrations/fcm", json=dict(fcm.INTEGRATION.example))).raise_for_status()
    for kind_name, token in (("apns", device_token(1)), ("fcm", "t" * 80)):
        path = f"/v2/channels/mobile_push/{kind_name}/tokens"
        (await phones.user.post(path, json={"device_token": token})).raise_for_status()
    phones.apns.faults.extend([Fault.CUT, Fault.GOAWAY_BEFORE, Fault.GOAWAY_GRACEFUL])
    phones.fcm.answers["t" * 80] = error(503, "UNAVAILABLE", "UNAVAILABLE", headers={"Retry-After": "1"})
    notification = {"title": "Once", "recipients": [{"external_id": "ada"}]}
    sent = await phones.backend.post("/notifications", json={"notification": notification})
    await until(lambda: len(phones.fcm.requests) >= 2)  # an access token, and the push
    phones.fcm.answers.clear()
    await until(lambda: len(phones.apns.pushes) == 2 and len(phones.fcm.messages) == 1)
    assert len({each.headers["apns-id"] for each in phones.apns.pushes}) == 1

    path = f"/v2/users/external_id:ada/notifications/{sent.json()['notification']['id']}/trace"
    async with asyncio.timeout(SECONDS):
        while True:
            steps = (await phones.backend.get(path)).json()["steps"]
            states = {each["provider"]: each["state"] for each in steps if each["type"] == "delivery"}
            if states == {"apns": "delivered", "fcm": "delivered"}:
                break
            await asyncio.sleep(0.05)
    assert len(phones.apns.pushes) == 2
