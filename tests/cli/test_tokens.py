"""`token`."""

import time
from collections.abc import Callable

import jwt
import pytest

from gateway.auth.credentials import user_hmac
from gateway.auth.workspaces import WorkspaceTokens
from tests.cli.conftest import SECRET_KEY, Command, error, fields

Printed = Callable[..., str]


@pytest.fixture
def project(printed: Printed) -> dict[str, str]:
    return fields(printed("project", "create", "Shop"))


def test_a_user_token_is_what_a_backend_would_sign(printed: Printed, project: dict[str, str]) -> None:
    names = ("--external-id", "ada", "--email", " Ada@example.com")
    text = printed("token", "--api-key", project["api key"], *names, "--expires-in", "60").strip()
    claims = jwt.decode(text, project["api secret"], ["HS256"])
    assert claims | {"iat": 0, "exp": 0} == {
        "api_key": project["api key"],
        "user_external_id": "ada",
        "user_email": "ada@example.com",
        "iat": 0,
        "exp": 0,
    }
    assert claims["exp"] == claims["iat"] + 60


@pytest.mark.parametrize(
    ("option", "name", "proven"), [("--external-id", "Ada", "Ada"), ("--email", "Ada@x.org", "ada@x.org")]
)
def test_an_hmac_proves_the_name(
    printed: Printed, project: dict[str, str], option: str, name: str, proven: str
) -> None:
    text = printed("token", "--api-key", project["api key"], option, name, "--hmac")
    assert text.strip() == user_hmac(project["api secret"], proven)


@pytest.mark.parametrize(("options", "seconds"), [((), 30 * 24 * 3600), (("--expires-in", "60"), 60)])
def test_a_workspace_token_is_for_the_workspace(printed: Printed, options: tuple[str, ...], seconds: int) -> None:
    claims = WorkspaceTokens(SECRET_KEY).read(printed("token", "--workspace", "1", *options).strip())
    assert claims.workspace_id == "1"
    assert claims.expires_at == pytest.approx(time.time() + seconds, abs=60)


def test_a_token_for_an_unknown_workspace_is_refused(run: Command) -> None:
    assert "no workspace has the id 77" in error(run("token", "--workspace", "77"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "name the project with --api-key, or use --workspace"),
        (("--api-key", "k"), "name the user with --external-id or --email"),
        (("--workspace", "1", "--email", "x"), "--workspace can only be combined with --expires-in"),
    ],
)
def test_options_that_do_not_fit_are_refused(run: Command, options: tuple[str, ...], message: str) -> None:
    result = run("token", *options)
    assert (result.exit_code, error(result)) == (2, f"Error: {message}")
