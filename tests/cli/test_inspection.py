"""`openapi` and `settings`."""

import json
from collections.abc import Callable
from dataclasses import fields

from gateway.settings import Settings, variable

Printed = Callable[..., str]


def test_every_setting_is_listed_with_its_default_and_no_secret(printed: Printed) -> None:
    listed = printed("settings")
    assert all(f"{variable(item.name)}  [" in listed for item in fields(Settings))
    assert "INBOX_PORT  [8000]\n    Port to listen on.\n" in listed
    assert "INBOX_SECRET_KEY  [unset]\n" in listed
    assert "INBOX_BOOTSTRAP_HMAC_ENABLED  [true]\n" in listed
    assert "INBOX_TRUSTED_PROXIES  [127.0.0.0/8,::1/128]\n" in listed


def test_the_document_of_the_api_is_printed(printed: Printed) -> None:
    document = json.loads(printed("openapi"))
    assert document["openapi"].startswith("3.1")
    assert "/notifications" in document["paths"]
