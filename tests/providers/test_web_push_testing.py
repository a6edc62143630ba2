"""Web push to a push service that others wrote: web-push-testing of npm, which checks the token and decrypts."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.channels.outcome import Dead, Delivered
from gateway.channels.web_push import PROVIDER, deliver, new_key_pair
from tests.channels.messages import StubLinks, message_to
from tests.npm import installed
from tests.servers import free_port, wait_for

SCRIPT = """
const Server = require("web-push-testing/src/server.js");
const { PushApiModel } = require("web-push-testing/src/PushApiModel.js");
new Server(new PushApiModel(), Number(process.argv[1])).startServer();
"""


@pytest.fixture
def service() -> Iterator[str]:
    """Yield the address of the service."""
    folder, port = installed("web-push-testing", "1.2.2"), free_port()
    process = subprocess.Popen(["node", "-e", SCRIPT, str(port)], cwd=folder, stdout=subprocess.DEVNULL)
    url = f"http://localhost:{port}"

    def responds() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.post(f"{url}/status").status_code == 200
        return False

    try:
        wait_for(responds, "the push service")
        yield url
    finally:
        process.kill()
        process.wait(10)


async def test_a_push_service_of_others_accepts_and_decrypts_what_we_send(service: str) -> None:
    config, links = new_key_pair(), StubLinks()
    async with httpx.AsyncClient(base_url=service, timeout=10) as client:

        async def post(path: str, body: dict[str, str]) -> Any:
            return (await client.post(path, json=body)).json()["data"]

        options = {"userVisibleOnly": "true", "applicationServerKey": config["public_key"]}
        subscribed = await post("/subscribe", options)
        name = subscribed.pop("clientHash")
        message = message_to(PROVIDER, subscribed, config=config)
        assert await deliver(message, links) == Delivered()
        (received,) = (await post("/get-notifications", {"clientHash": name}))["messages"]
        assert json.loads(received)["notification"]["title"] == "Your order has shipped"
        await client.post(f"/expire-subscription/{name}")
        assert await deliver(message, links) == Dead("410: the browser has unsubscribed")
    await links.close()
