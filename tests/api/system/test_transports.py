"""The description of the live transports, compared with what they do."""

import httpx
import msgspec

from gateway.api.core.schema import Errors
from gateway.api.operations import document
from tests.servers import user_headers

DOCUMENT = document()


async def test_a_request_without_an_upgrade_is_refused_as_documented(http: httpx.AsyncClient) -> None:
    response = await http.get("/realtime/ws", headers=user_headers("ada"))
    assert str(response.status_code) in DOCUMENT["paths"]["/realtime/ws"]["get"]["responses"]


async def test_an_event_stream_is_refused_or_opened_as_documented(http: httpx.AsyncClient) -> None:
    documented = DOCUMENT["paths"]["/realtime/sse"]["get"]["responses"]
    refused = await http.get("/realtime/sse")
    async with http.stream("GET", "/realtime/sse", headers=user_headers("ada")) as opened:
        for response in (refused, opened):
            (media_type,) = documented[str(response.status_code)]["content"]
            assert response.headers["content-type"].startswith(media_type)
    msgspec.convert(refused.json(), Errors)


def test_every_close_code_and_message_is_described() -> None:
    text = DOCUMENT["paths"]["/realtime/ws"]["get"]["description"]
    for described in ("`Ready`", "`Event`", "`Goodbye`", "`AuthMessage`", "4001 `draining`", "4507 `user_deleted`"):
        assert described in text
