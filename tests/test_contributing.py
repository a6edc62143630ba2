"""The examples of CONTRIBUTING.md are complete, and pass the type checker."""

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from gateway.api.core import openapi
from gateway.api.system.transports import TRANSPORTS
from gateway.api.v2 import channel_tokens, integrations
from gateway.channels.outcome import Dead, Delivered, Refused, Retry
from tests.channels.messages import StubLinks, message_to
from tests.stubs.http_stub import HttpStub, Received, Reply

SHOWN = "Your order has shipped\nIt arrives on Friday."


class Pagers(HttpStub):
    """The service of the example. It answers with a status."""

    def __init__(self, status: int):
        super().__init__()
        self._status = status

    def reply(self, request: Received) -> Reply:
        return Reply(self._status)


ROOT = Path(__file__).parent.parent
EXAMPLES = [
    textwrap.dedent(text)
    for text in re.findall(
        r"^ *```python\n(.*?)^ *```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL | re.MULTILINE
    )
]


def test_there_are_examples_of_a_resource_of_a_channel_and_of_a_redis_function() -> None:
    words = ("GreetingsResource", "TokenKind", "writing_function")
    assert all(word in example for word, example in zip(words, EXAMPLES, strict=True))


@pytest.mark.parametrize("example", EXAMPLES, ids=["resource", "channel", "function"])
def test_an_example_passes_the_type_checker(example: str, tmp_path: Path) -> None:
    module = tmp_path / "example.py"
    module.write_text(example)
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(module)]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_resource_is_in_the_openapi_document() -> None:
    names: dict[str, Any] = {"__name__": "tests.greetings"}
    exec(compile(EXAMPLES[0], "greetings.py", "exec"), names)  # noqa: S102 - our own documentation
    described = openapi.document(names["OPERATIONS"], TRANSPORTS)["paths"]["/greetings"]["get"]
    assert described["description"] == "Return a greeting for the user."


async def test_the_channel_sends_and_knows_what_became_of_it() -> None:
    names: dict[str, Any] = {}
    exec(compile(EXAMPLES[1], "pager.py", "exec"), names)  # noqa: S102 - our own documentation
    provider = names["PROVIDER"]
    for status, outcome in (
        (202, Delivered()),
        (410, Dead("410: no such pager")),
        (500, Retry("500")),
        (413, Refused("413")),
    ):
        async with Pagers(status) as stub:
            links = StubLinks()
            config = {"url": stub.url, "key": "key"}
            message = message_to(provider, {"pager_id": "P-1001"}, config=config)
            assert await provider.deliver([message], links) == [outcome]
            await links.close()
            sent = json.loads(stub.requests[0].body)
            assert sent == {"id": str(message.id), "pager": "P-1001", "text": SHOWN}


def test_the_operations_of_the_channel_are_generated() -> None:
    names: dict[str, Any] = {}
    exec(compile(EXAMPLES[1], "pager.py", "exec"), names)  # noqa: S102 - our own documentation
    token, integration = names["TOKEN"], names["INTEGRATION"]
    rows = [*channel_tokens.operations_of(token), *integrations.operations_of(integration)]
    paths = openapi.document(rows, TRANSPORTS)["paths"]
    assert set(paths["/v2/channels/pager/tokens"]) == {"get", "post", "put"}
    assert "/v2/users/{user_id}/channels/pager/tokens/{token_id}" in paths
    assert set(paths["/v2/integrations/pager"]) == {"get", "put", "delete"}
    problems: list[str] = []
    assert channel_tokens.body_of(token).param.check(token.example, "", problems) == token.example
    assert integration.complete(integration.example, None, problems) == integration.example
    assert not problems
