"""Django Channels: a group for each user, with the layer in memory (the fastest one). Daphne serves this module."""

from typing import Any
from urllib.parse import parse_qs

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="loadtest",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 10000}}},
)
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402 - after the settings
from channels.layers import get_channel_layer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402


class Inbox(AsyncWebsocketConsumer):  # type: ignore[misc] # no types
    """A connection in the group of its user."""

    async def connect(self) -> None:
        """Join the group."""
        self.group = parse_qs(self.scope["query_string"].decode())["user"][0]
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        """Leave the group."""
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def inbox_event(self, event: dict[str, Any]) -> None:
        """Send an event to the client."""
        await self.send(text_data=event["text"])


async def publish(request: HttpRequest) -> HttpResponse:
    """Send the body to the user's group."""
    message = {"type": "inbox.event", "text": request.body.decode()}
    await get_channel_layer().group_send(request.GET["user"], message)
    return HttpResponse(status=200, headers={"Content-Length": "0"})


urlpatterns = [path("publish", publish)]
application = ProtocolTypeRouter(
    {"http": get_asgi_application(), "websocket": URLRouter([path("ws", Inbox.as_asgi())])},
)
