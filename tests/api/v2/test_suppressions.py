"""Suppressed addresses: messages go to them again once a backend says so."""

import httpx

from tests.api.inbox import Inbox
from tests.servers import ADMIN


async def test_a_backend_has_messages_sent_to_the_addresses_of_a_user_again(
    http: httpx.AsyncClient, inbox: Inbox
) -> None:
    numbers = ["+15005550006", "+15005550009"]
    user = {"external_id": inbox.external_id, "email": "lifted@example.com", "phone_numbers": numbers}
    (await http.post("/users", headers=ADMIN, json={"user": user})).raise_for_status()
    path = "/v2/users/email:lifted@example.com/channels/{}/suppressions"
    for channel in ("email", "sms", "email"):
        assert (await http.delete(path.format(channel), headers=ADMIN)).status_code == 204
    events = (await http.get("/v2/events?type=address.released&limit=3", headers=ADMIN)).json()["data"]
    assert sorted(each["context"]["channel"] for each in events) == ["email", "email", "sms"]


async def test_only_a_backend_lifts_a_suppression_and_only_of_an_address(http: httpx.AsyncClient, inbox: Inbox) -> None:
    await inbox.receive()
    path = f"/v2/users/{inbox.external_id}/channels/email/suppressions"
    assert (await inbox.request("DELETE", path)).status_code in (401, 403, 404)
    assert (
        await http.delete("/v2/users/external_id:nobody/channels/email/suppressions", headers=ADMIN)
    ).status_code == 404
    slack = f"/v2/users/external_id:{inbox.external_id}/channels/slack/suppressions"
    assert (await http.delete(slack, headers=ADMIN)).status_code == 404
