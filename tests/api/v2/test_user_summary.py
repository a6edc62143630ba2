"""The summary of a user: counts of the inbox, channel tokens of all kinds, and suppressed addresses."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from gateway.api.v2.redacted_tokens import redacted
from gateway.domain.delivery import Route, address_key
from gateway.domain.principal import User
from gateway.store.deletion import UserDeletion
from tests.api.v2.stored import PROJECT, Desk, Stored
from tests.servers import ADMIN, user_headers

DEVICE = {"device_token": "c2f1" * 15 + "9876", "app_id": "com.example.app"}


@pytest.fixture
async def desk(stored: Stored) -> AsyncIterator[Desk]:
    async with stored.client() as client:
        yield Desk(client)


async def test_the_summary_of_a_user(stored: Stored, desk: Desk) -> None:
    name, email = f"ada-{uuid4()}", f"{uuid4()}@example.com"
    async with httpx.AsyncClient(base_url=stored.gateway.url, headers=ADMIN, timeout=10) as http:
        body = {"external_id": name, "email": email, "phone_numbers": ["+1", "+2"]}
        ada = User(PROJECT, (await http.post("/v2/users", json=body)).json()["id"], None, None)
        for _ in range(3):
            sent = {"title": "Hi", "recipients": [{"external_id": name}]}
            posted = (await http.post("/notifications", json={"notification": sent})).raise_for_status()
            last = posted.json()["notification"]["id"]
        me = user_headers(name)
        (await http.post(f"/notifications/{last}/archive", headers=me)).raise_for_status()
        (await http.post("/v2/channels/mobile_push/apns/tokens", headers=me, json=DEVICE)).raise_for_status()
        hook = {"webhook": {"url": "https://hooks.example.com/services/secret"}}
        saved = (await http.post("/v2/channels/slack/tokens", headers=me, json=hook)).raise_for_status().json()
        (await http.delete(f"/v2/channels/slack/tokens/{saved['id']}", headers=me)).raise_for_status()
        await desk.outbox.suppress(ada, Route.EMAIL, address_key(email), "bounced")
        await desk.outbox.suppress(ada, Route.SMS, address_key("+2"), "complaint")
        found = (await http.get(f"/v2/users/email:{email}/summary")).raise_for_status().json()
        assert found["notifications"] == {"total": 3, "unread": 2, "unseen": 2, "archived": 1}
        assert found["suppressed"] == [
            {"channel": "email", "reason": "bounced"},
            {"channel": "sms", "reason": "complaint"},
        ]
        apns, slack = found["channel_tokens"]
        assert (apns["kind"], apns["title"], apns["discarded_at"]) == ("mobile_push/apns", "APNs", None)
        assert apns["fields"] == {"device_token": "…9876", "app_id": "com.example.app"}
        assert (slack["id"], slack["discarded_at"] is not None) == (saved["id"], True)
        assert slack["fields"] == {"webhook": {"url": "https://hooks.example.com/…"}}
        (await http.delete(f"/v2/users/{ada.id}")).raise_for_status()
        assert (await http.get(f"/v2/users/{ada.id}/summary")).status_code == 404


async def test_a_user_without_addresses_has_an_empty_summary(stored: Stored) -> None:
    joe = stored.user(f"joe-{uuid4()}")
    async with httpx.AsyncClient(base_url=stored.gateway.url, headers=ADMIN, timeout=10) as http:
        found = (await http.get(f"/v2/users/{joe.id}/summary")).raise_for_status().json()
    counts = {"total": 0, "unread": 0, "unseen": 0, "archived": 0}
    assert found == {"notifications": counts, "channel_tokens": [], "suppressed": []}


async def test_a_user_whose_deletion_was_interrupted_is_not_found(stored: Stored) -> None:
    async with stored.client() as client:
        kim = stored.user(f"kim-{uuid4()}")
        await UserDeletion(client).delete(kim)
        async with httpx.AsyncClient(base_url=stored.gateway.url, headers=ADMIN, timeout=10) as http:
            assert (await http.get(f"/v2/users/{kim.id}/summary")).status_code == 404


def test_values_that_are_no_text_are_shown() -> None:
    assert redacted({"scope": "chat:write", "count": 2}) == {"scope": "chat:write", "count": 2}
