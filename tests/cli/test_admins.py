"""`admin`, and the owner of INBOX_ADMIN_EMAIL."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli import bootstrap
from gateway.cli.errors import StoreUnusableError
from tests.cli.conftest import Command, error, fields

Printed = Callable[..., str]

PASSWORD = "correct horse battery\n"


def test_an_admin_is_created_with_a_role_and_gets_tokens_and_other_passwords(printed: Printed, run: Command) -> None:
    made = printed("admin", "create", "Ada@example.com", "--password-stdin", text=PASSWORD)
    assert fields(made)["role"] == "owner in all workspaces"
    assert error(run("admin", "create", "ada@example.com", "--password-stdin", text=PASSWORD)).startswith(
        "Error: there is an admin ada@example.com"
    )
    assert printed("admin", "token", "ada@example.com", "--expires-in", "60").startswith("inbox_admin_")
    assert "is set" in printed("admin", "reset-password", "ada@example.com", "--password-stdin", text=PASSWORD)
    prompted = printed("admin", "create", "grace@example.com", "--role", "editor", text=PASSWORD * 2)
    assert "role         editor in all workspaces" in prompted
    assert "/admin/setup#token=" in printed("admin", "reset-password", "grace@example.com", "--link")
    assert "is removed" in printed("admin", "remove", "grace@example.com", text="y\n")


def test_a_setup_link_of_a_wrong_data_directory_creates_no_store(
    run: Command, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    environment.setenv("INBOX_REDIS_URL", "")
    environment.setenv("INBOX_DATA_DIR", str(wrong))
    refused = run("admin", "setup-link").exception
    assert isinstance(refused, StoreUnusableError)
    assert str(refused).startswith(f"there is no store in {wrong}: start `inbox-gateway serve`, or set INBOX_DATA_DIR")
    assert not wrong.exists()


@pytest.mark.parametrize(
    ("arguments", "text", "message"),
    [
        (("create", "no email", "--password-stdin"), PASSWORD, "no email is no email address"),
        (("create", "a@example.com", "--password-stdin"), "short\n", "the password must have at least 12 characters"),
        (("create", "a@example.com", "--password-stdin", "--workspace", "7"), PASSWORD, "no workspace has the id 7"),
        (("token", "a@example.com"), "", "there is no admin a@example.com"),
        (("reset-password", "a@example.com", "--link", "--password-stdin"), "", "use --link or --password-stdin"),
    ],
)
def test_what_is_wrong_is_named(run: Command, arguments: tuple[str, ...], text: str, message: str) -> None:
    assert message in error(run("admin", *arguments, text=text))


def test_the_owner_of_the_settings_is_created_once(
    run: Command, printed: Printed, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setattr(bootstrap, "configure_logging", lambda level: None)  # it would last beyond this test
    file = tmp_path / "password"
    environment.setenv("INBOX_ADMIN_EMAIL", "ada@example.com")
    environment.setenv("INBOX_ADMIN_PASSWORD_FILE", "hunter2 hunter2")  # somebody sets the password itself
    assert error(run("prepare")) == "Error: INBOX_ADMIN_PASSWORD_FILE cannot be read: No such file or directory"
    environment.setenv("INBOX_ADMIN_PASSWORD_FILE", str(file))
    file.write_text("short\n")
    assert "the password in INBOX_ADMIN_PASSWORD_FILE must have" in error(run("prepare"))
    file.write_text(PASSWORD)
    for _ in range(2):
        assert run("prepare").exit_code == 0
    assert printed("admin", "list").count("role         owner in all workspaces") == 1
