"""A program that sends a notification with the vendor's unmodified PyPI client, and prints its id.

It runs in an environment of its own.
"""

import asyncio
import os

from magicbell import MagicBell, model
from magicbell.configuration import Configuration


async def main() -> None:
    """Send a notification."""
    configuration = Configuration(
        api_url=os.environ["INBOX"], api_key=os.environ["API_KEY"], api_secret=os.environ["API_SECRET"]
    )
    recipients = [model.Recipient(external_id=os.environ["USER_ID"])]
    notification = model.Notification(title="From the SDK", category="sdk", recipients=recipients)
    async with MagicBell(configuration) as client:
        sent = await client.realtime.create_notification(model.WrappedNotification(notification=notification))
    print(sent.notification.id)  # noqa: T201


asyncio.run(main())
