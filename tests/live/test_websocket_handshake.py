"""The response to a WebSocket's opening request."""

from collections.abc import Sequence

import pytest

from gateway.live import websocket_handshake
from gateway.live.websocket_handshake import HandshakeResponse, accept

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""The example of RFC 6455, section 1.3."""

ORDINARY = [
    ("host", "inbox"),
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", KEY),
]


def respond(headers: Sequence[tuple[str, str]]) -> HandshakeResponse:
    """Return the response to a request with these headers."""
    return accept("/realtime/ws", dict(headers), encoded(headers), "r1")


def encoded(headers: Sequence[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Return the headers as they arrive."""
    return [(name.encode(), value.encode()) for name, value in headers]


def replaced(**fields: str) -> list[tuple[str, str]]:
    """Return the headers of the ordinary request with some replaced; an empty value removes one."""
    named = {**dict(ORDINARY), **{name.replace("_", "-"): value for name, value in fields.items()}}
    return [(name, value) for name, value in named.items() if value]


def fields_of(response: HandshakeResponse) -> dict[str, str]:
    """Return the headers of a response, with lower-case names."""
    head, _, _ = response.data.decode().partition("\r\n\r\n")
    pairs = (line.split(": ", 1) for line in head.split("\r\n")[1:])
    return {name.lower(): value for name, value in pairs}


def test_an_ordinary_request_is_accepted_with_the_key_of_rfc_6455() -> None:
    response = respond(ORDINARY)
    assert (response.status, response.accepted) == (101, True)
    assert fields_of(response)["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert fields_of(response)["x-request-id"] == "r1"


@pytest.mark.parametrize("offered", ["", "inbox.v1"])
def test_the_response_to_an_ordinary_request_is_that_of_the_library(offered: str) -> None:
    headers = replaced(sec_websocket_protocol=offered)
    library = websocket_handshake._negotiate("/realtime/ws", encoded(headers), "r1")
    own = fields_of(respond(headers))
    theirs = fields_of(library)
    assert {name: value for name, value in theirs.items() if name not in ("date", "server")} == own


@pytest.mark.parametrize(
    ("offered", "chosen"), [("inbox.v1, other", "inbox.v1"), ("other, inbox.v1", "inbox.v1"), ("other", None)]
)
def test_the_subprotocol_is_chosen_only_if_it_is_offered(offered: str, chosen: str | None) -> None:
    response = respond(replaced(sec_websocket_protocol=offered))
    assert response.accepted
    assert fields_of(response).get("sec-websocket-protocol") == chosen


@pytest.mark.parametrize("key", ["", "x", "dGhlIHNhbXBsZSBub25jZQ", "c2hvcnQ=", KEY + "=="])
def test_a_key_that_is_not_16_bytes_in_base64_is_refused(key: str) -> None:
    response = respond(replaced(sec_websocket_key=key))
    assert (response.status, response.accepted) == (400, False)


def test_the_refusal_of_another_version_names_version_13() -> None:
    response = respond(replaced(sec_websocket_version="8"))
    assert response.status == 400
    assert fields_of(response)["sec-websocket-version"] == "13"


def test_the_library_handles_requests_with_repeated_headers() -> None:
    assert not respond([*ORDINARY, ("sec-websocket-key", KEY)]).accepted
    assert respond([*ORDINARY, ("x-note", "1"), ("x-note", "2")]).accepted
