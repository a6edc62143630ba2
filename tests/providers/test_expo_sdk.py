"""Expo's own client against the stub of Expo: the stub accepts and answers what that client sends and reads."""

import asyncio
from typing import Any

from gateway.channels.expo_push import PROVIDER, deliver, receipt
from gateway.channels.outcome import Dead, Handed
from tests.channels.push_links import PushLinks, push_to
from tests.npm import installed, run_script
from tests.stubs.expo import ExpoStub, failure

SCRIPT = """
process.env.EXPO_BASE_URL = input.url;
(async () => {
  const { Expo } = await import("expo-server-sdk");
  const expo = new Expo({ accessToken: input.access_token });
  const valid = input.messages.map((each) => Expo.isExpoPushToken(each.to));
  const tickets = [];
  for (const chunk of expo.chunkPushNotifications(input.messages))
    tickets.push(...(await expo.sendPushNotificationsAsync(chunk)));
  const ids = [...tickets.filter((each) => each.status === "ok").map((each) => each.id), ...input.ids];
  output({ valid, tickets, receipts: await expo.getPushNotificationReceiptsAsync(ids) });
})();
"""


def token(number: int) -> str:
    return f"ExponentPushToken[{number:022}]"


async def test_expos_client_sends_our_messages_and_reads_our_receipts() -> None:
    folder = installed("expo-server-sdk", "7.2.0")
    async with ExpoStub("secret") as stub:
        stub.tickets[token(7)] = failure("DeviceNotRegistered", token(7))
        stub.receipts[token(1)] = failure("DeviceNotRegistered", token(1))
        links = PushLinks(stub.url)
        ours = push_to(PROVIDER, {"device_token": token(1)}, config={"access_token": "secret"}, topic="order:7")
        (handed,) = await deliver([ours], links)
        assert isinstance(handed, Handed)
        (message,) = stub.messages
        sent: dict[str, Any] = {
            "url": stub.url,
            "access_token": "secret",
            "messages": [{**message, "to": token(number)} for number in range(120)],
            "ids": [handed.receipt],
        }
        found = await asyncio.to_thread(run_script, folder, SCRIPT, sent)
        assert found["valid"] == [True] * 120
        assert [each["status"] for each in found["tickets"]] == ["error" if n == 7 else "ok" for n in range(120)]
        assert found["receipts"][handed.receipt]["details"]["error"] == "DeviceNotRegistered"
        assert len(found["receipts"]) == 120
        assert await receipt(ours, handed.receipt, links) == Dead("DeviceNotRegistered")
        await links.close()
