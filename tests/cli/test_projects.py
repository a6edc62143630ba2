"""`project`."""

from collections.abc import Callable

import pytest
import redis

from gateway.store import keys
from tests.cli.conftest import Command, error, fields

Printed = Callable[..., str]


def test_a_created_project_is_listed_without_its_secret(printed: Printed) -> None:
    created = fields(printed("project", "create", "Shop"))
    assert created.pop("api secret")
    assert fields(printed("project", "list")) == created
    assert created | {"id": "", "api key": ""} == {
        "name": "Shop",
        "id": "",
        "api key": "",
        "hmac": "required",
        "origins": "those of INBOX_ALLOWED_ORIGINS",
        "workspace": "1",
    }


def test_a_project_may_do_without_hmacs(printed: Printed) -> None:
    assert fields(printed("project", "create", "Shop", "--no-hmac"))["hmac"] == "not required"


def test_a_project_is_not_created_in_an_unknown_workspace(run: Command) -> None:
    assert "no workspace has the id 77" in error(run("project", "create", "Shop", "--workspace", "77"))


def test_a_project_is_changed_by_the_options_that_are_given(printed: Printed) -> None:
    api_key = fields(printed("project", "create", "Shop"))["api key"]
    changed = fields(
        printed(
            *("project", "set", api_key, "--name", "Store", "--no-hmac", "--strict"),
            *("--allowed-origins", "https://App.example.com, https://*.example.com"),
            *("--item-retention-count", "10"),
        )
    )
    assert changed["name"] == "Store"
    assert changed["hmac"] == "not required"
    assert changed["strict"] == "unknown fields and parameters are refused"
    assert changed["origins"] == "https://app.example.com, https://*.example.com"
    assert changed["keeps"] == "10 items per user, for INBOX_ITEM_RETENTION_SECONDS"
    changed = fields(
        printed(
            *("project", "set", api_key, "--allowed-origins", ""),
            *("--item-retention-count", "default", "--item-retention-seconds", "60"),
        )
    )
    assert changed["origins"] == "those of INBOX_ALLOWED_ORIGINS"
    assert changed["keeps"] == "INBOX_ITEM_RETENTION_COUNT items, for 60 seconds"
    unlimited = ("--item-retention-count", "0", "--item-retention-seconds", "0")
    assert fields(printed("project", "set", api_key, *unlimited))["keeps"] == "all items, without a time limit"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--allowed-origins", "example.com,https://a.b"), "example.com: an origin is written https://app.example.com"),
        (("--item-retention-count", "-1"), "--item-retention-count is a whole number from 0 to"),
        (("--item-retention-seconds", "x"), 'or "default" for the gateway\'s setting'),
        (("--name", " "), "a name has 1 to 255 printable characters"),
    ],
)
def test_a_project_is_not_changed_to_what_is_not_valid(run: Command, options: tuple[str, ...], message: str) -> None:
    result = run("project", "set", "key", *options)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize("command", [("set", "--name", "x"), ("delete", "--yes"), ("rotate-secret",)])
def test_a_key_that_no_project_has_is_named(run: Command, command: tuple[str, ...]) -> None:
    name, *options = command
    assert error(run("project", name, "no-such-key", *options)) == (
        "Error: no project has the key no-such-key: `inbox-gateway project list` shows them"
    )


def test_a_deletion_requires_confirmation(printed: Printed, run: Command) -> None:
    api_key = fields(printed("project", "create", "Shop"))["api key"]
    assert run("project", "delete", api_key, text="n\n").exit_code == 1
    assert api_key in printed("project", "list")
    assert "is deleted" in printed("project", "delete", api_key, text="y\n")
    assert printed("project", "list") == ""


def test_a_project_whose_record_cannot_be_read_is_deleted(printed: Printed, store: redis.Redis) -> None:
    api_key = fields(printed("project", "create", "Shop"))["api key"]
    store.hset(keys.PROJECTS, api_key, "{")
    assert f"the project {api_key} is deleted" in printed("project", "delete", "--yes", api_key)
    assert store.hexists(keys.PROJECTS, api_key) == 0


def test_a_rotation_prints_another_secret(printed: Printed) -> None:
    created = fields(printed("project", "create", "Shop"))
    rotated = fields(printed("project", "rotate-secret", created["api key"], "--overlap", "0"))
    assert rotated["api secret"] != created["api secret"]


def test_a_project_gets_a_new_secret_after_the_secret_key_was_lost(
    printed: Printed, run: Command, environment: pytest.MonkeyPatch
) -> None:
    api_key = fields(printed("project", "create", "Shop"))["api key"]
    environment.setenv("INBOX_SECRET_KEY", "another secret key of 32 characters")
    assert "were encrypted with another secret key" in str(run("project", "rotate-secret", api_key).exception)
    assert api_key in printed("project", "list")
    assert fields(printed("project", "rotate-secret", api_key, "--lost-secret-key"))["api secret"]
