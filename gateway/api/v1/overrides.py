"""The `overrides` of a notification in bodies: what each channel shows, and what is merged into providers' requests."""

from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.domain.objects import Hash, Object
from gateway.domain.params import Text
from gateway.sending.command import ChannelOverrides

CHANNELS = tuple(field.name for field in msgspec.structs.fields(ChannelOverrides))

PROVIDERS = (
    *("amazon_ses", "android", "ios", "mailgun", "postmark", "sendgrid", "slack"),
    # Integrations of this gateway that the vendor's list lacks, or has under another name.
    *("apns", "expo", "fcm", "ping_email", "ses", "smtp", "teams", "twilio", "web_push"),
)

MAX_PROVIDER_BYTES = 64 * 1024
"""Our own bound. A push message has 4 KB, and mails have their text in `content`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Providers(Object):
    """Free objects by the name of the provider."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check every object, and return those that are present."""
        found = Object.check(self, value, path, problems)
        return {name: fields for name, fields in found.items() if fields is not None}


def overrides(max_title: int, max_content: int, max_url: int, filled: bool = False) -> Object:
    """Return the parameter of `overrides`. The limits are those of each channel's fields.

    With `filled`, a title must not be blank.
    """
    channel = Object(
        fields={
            "title": Text(max_length=max_title, filled=filled),
            "content": Text(max_length=max_content),
            "action_url": Text(max_length=max_url),
        }
    )
    provider = Hash(max_bytes=MAX_PROVIDER_BYTES)
    return Object(
        fields={
            "channels": Object(
                fields=dict.fromkeys(CHANNELS, channel),
                description="What a channel shows in place of the fields above. `in_app` is the inbox.",
            ),
            "providers": _Providers(
                fields=dict.fromkeys(PROVIDERS, provider),
                description="Fields to merge into the request to a provider, after everything else.",
            ),
        },
        description="What channels and providers get in place of the fields above.",
    )
