"""What openapi-python-client makes of our document, as a program uses it. Runs in an environment of its own."""

import json
import os

from client import Client
from client.api.backend import post_notifications
from client.api.inbox import get_notifications, put_notification_preferences
from client.api.live import get_realtime_events
from client.models import (
    CategoryChange,
    ChannelChange,
    ChannelChangeSlug,
    NewNotification,
    NewNotificationBody,
    PreferencesChange,
    PreferencesChangeBody,
    SendingRecipient,
)

key = {"X-MAGICBELL-API-KEY": os.environ["API_KEY"]}
name = os.environ["USER_ID"]
proof = {"X-MAGICBELL-USER-EXTERNAL-ID": name, "X-MAGICBELL-USER-HMAC": os.environ["USER_HMAC"]}
backend = Client(os.environ["INBOX"], headers=key | {"X-MAGICBELL-API-SECRET": os.environ["API_SECRET"]})
inbox = Client(os.environ["INBOX"], headers=key | proof)

start = get_realtime_events.sync(client=inbox)
recipient = SendingRecipient(external_id=name)
notification = NewNotification(title="Typed", recipients=[recipient])
sent = post_notifications.sync(client=backend, body=NewNotificationBody(notification=notification))
change = CategoryChange(slug="news", channels=[ChannelChange(slug=ChannelChangeSlug.EMAIL, enabled=False)])
put_notification_preferences.sync(
    client=inbox, body=PreferencesChangeBody(notification_preferences=PreferencesChange(categories=[change]))
)
listed = get_notifications.sync(client=inbox, per_page=5)
pulled = get_realtime_events.sync(client=inbox, since=start.position)
found = {
    "sent": sent.notification.id == listed.notifications[0].id,
    "titles": [item.title for item in listed.notifications],
    "project": type(listed.project_id).__name__,
    "names": [event.name.value for event in pulled.events],
    "changed": pulled.events[1].data.notification_preferences.categories[0].slug,
}
print(json.dumps(found))  # noqa: T201
