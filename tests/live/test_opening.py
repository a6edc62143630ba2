"""The access log line of the request that opens a connection."""

import pytest

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import Credentials, User
from gateway.live.handshake import Handshake
from gateway.live.opening import Opening

HANDSHAKE = Handshake(Credentials(), None, None, "r1", "192.0.2.1")


def test_the_line_names_the_request_the_user_and_the_connection(capfd: pytest.CaptureFixture[str]) -> None:
    Opening.of(HANDSHAKE).log("/realtime/ws", 101, User(ProjectId("7"), UserId("u"), "joe", None), "w-1")
    line = capfd.readouterr().err
    for part in ("path=/realtime/ws", "status=101", "request_id=r1", "connection=w-1", "project=7", "192.0.2.1"):
        assert part in line
    assert "user=" in line
    assert "joe" not in line


def test_the_line_of_a_refused_request_has_no_user(capfd: pytest.CaptureFixture[str]) -> None:
    Opening.of(HANDSHAKE).log("/realtime/sse", 401, None, "w-2")
    line = capfd.readouterr().err
    assert "status=401" in line
    assert "user=" not in line
