"""Amazon SES as moto has it: an identity that must be verified, and a mail that is sent."""

import json
import re
import subprocess
import time
import venv
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import cast

import pytest

from gateway.channels import ses
from gateway.channels.outcome import Delivered, Misconfigured, Outcome
from gateway.channels.provider import Links
from gateway.channels.ses import INTEGRATION, PROVIDER
from tests.channels.email_gallery import message
from tests.channels.mail_links import MailLinks

MOTO = "moto[ses,server]==5.2.5"
ENVIRONMENT = Path(__file__).parents[2] / "build" / "moto"
SECONDS = 60


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """Yield the address of a moto server. It has an environment of its own, because it needs much."""
    program = ENVIRONMENT / "bin" / "moto_server"
    if not program.exists():
        venv.create(ENVIRONMENT, with_pip=True)
        install = [str(ENVIRONMENT / "bin" / "pip"), "install", "--quiet", "--progress-bar", "off", MOTO]
        if subprocess.run(install, check=False, timeout=300).returncode:
            pytest.skip(f"{MOTO} cannot be installed")
    server = subprocess.Popen([str(program), "-H", "127.0.0.1", "-p", "0"], stderr=subprocess.PIPE, text=True)
    try:
        yield _address(server)
    finally:
        server.terminate()
        server.wait(10)
        assert server.stderr is not None
        server.stderr.close()


def _address(server: subprocess.Popen[str]) -> str:
    assert server.stderr is not None
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", server.stderr.readline()):
            return found[1]
    raise AssertionError("moto does not start")


@pytest.fixture
async def links(moto: str) -> AsyncIterator[MailLinks]:
    made = MailLinks(base=moto)
    yield made
    await made.close()


async def send(links: MailLinks) -> Outcome:
    sample = message(config=INTEGRATION.example, title="Grüße")
    (outcome,) = await PROVIDER.deliver([sample], cast(Links, links))
    return outcome


async def verify(links: MailLinks, address: str) -> None:
    body = json.dumps({"EmailIdentity": address}).encode()
    answer = await ses._call(INTEGRATION.example, cast(Links, links), "POST", "/v2/email/identities", body)
    assert answer.status == 200


async def test_ses_refuses_an_identity_that_is_not_verified_and_takes_a_mail_after_that(
    links: MailLinks,
) -> None:
    assert await send(links) == Misconfigured("400 MessageRejected", is_doubted=True)
    await verify(links, "shop@example.com")
    outcome = await send(links)
    assert isinstance(outcome, Delivered)
    assert outcome.provider_id
