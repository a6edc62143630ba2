"""The environment, understood: names, types, bounds, and everything that is wrong at once."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import PREFIX, REDIS_SCHEMES, Settings, SettingsError, default_of, load_settings, variable

FIELDS = dataclasses.fields(Settings)
PAIR = {"INBOX_BOOTSTRAP_API_KEY": "k", "INBOX_BOOTSTRAP_API_SECRET": "s"}


def problems(environment: dict[str, str], **overrides: Any) -> list[str]:
    """Give what is wrong with an environment, a line each."""
    with pytest.raises(SettingsError) as caught:
        load_settings(environment, **overrides)
    return str(caught.value).splitlines()


def test_an_empty_environment_gives_the_defaults() -> None:
    assert load_settings({}) == Settings()


def test_other_programs_variables_are_ignored() -> None:
    assert load_settings({"PATH": "/bin", "inbox_port": "1", "INBOX": "x", "MY_INBOX_PORT": "2"}) == Settings()


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_an_empty_value_is_as_good_as_unset(field: "dataclasses.Field[Any]") -> None:
    assert load_settings({variable(field.name): ""}) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("host", "::", "::"),
        ("port", "0", 0),
        ("port", "65535", 65535),
        ("workers", "4", 4),
        ("redis_url", "redis://:pw@h:1/0", "redis://:pw@h:1/0"),
        ("redis_url", "rediss://h", "rediss://h"),
        ("redis_url", "unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("redis_timeout_seconds", "1", 1.0),
        ("redis_timeout_seconds", "0.05", 0.05),
        ("drain_seconds", "0", 0.0),
        ("data_dir", "/var/lib/inbox", Path("/var/lib/inbox")),
        ("durability", "disk", "disk"),
        ("access_log", "no", False),
        ("access_log", "True", True),
        ("access_log", "0", False),
        ("access_log", "1", True),
        ("log_level", "error", "error"),
        ("allowed_origins", "https://a.b/, https://c.d ,", ("https://a.b", "https://c.d")),
        ("allowed_origins", "*", ("*",)),
        ("allowed_origins", "HTTPS://*.Example.com:443/", ("https://*.example.com",)),
        ("public_url", "https://Example.com/inbox/", "https://example.com/inbox"),
        ("trusted_proxies", "10.0.0.0/8, 192.168.0.1", ("10.0.0.0/8", "192.168.0.1/32")),
        ("trusted_proxies", "none", ()),
    ],
)
def test_a_value_is_read_as_its_type(name: str, text: str, value: Any) -> None:
    assert getattr(load_settings({variable(name): text}), name) == value


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("port", "http", "must be a whole number, not 'http'"),
        ("port", "80.5", "must be a whole number, not '80.5'"),
        ("port", " 80", "must be a whole number, not ' 80'"),
        ("port", "1e3", "must be a whole number, not '1e3'"),
        ("port", "-1", "must be at least 0, not -1"),
        ("port", "65536", "must be at most 65535, not 65536"),
        ("workers", "0", "must be at least 1, not 0"),
        ("redis_url", "localhost:6379", f"must start with {', '.join(REDIS_SCHEMES)}"),
        ("redis_timeout_seconds", "0", "must be at least 0.05, not 0"),
        ("redis_timeout_seconds", "fast", "must be a number, not 'fast'"),
        ("redis_timeout_seconds", "nan", "must be a number, not 'nan'"),
        ("redis_timeout_seconds", "inf", "must be a number, not 'inf'"),
        ("durability", "tape", "must be one of memory, disk, replica, not 'tape'"),
        ("access_log", "maybe", "must be true or false, not 'maybe'"),
        *(
            (
                "allowed_origins",
                text,
                "must have origins such as https://app.example.com or https://*.example.com, not " + named,
            )
            for text, named in (
                ("example.com", "'example.com'"),
                ("https://a.example, *.b.example ,https://c.example/x", "'*.b.example', 'https://c.example/x'"),
                ("null", "'null'"),
            )
        ),
        ("allowed_origins", " , ", "names no origin; `*` is any"),
        ("public_url", "example.com", "must be an address such as https://example.com/inbox, not 'example.com'"),
        ("trusted_proxies", "10.0.0.0/8,proxy", "'proxy' is not an address or a network such as 10.0.0.0/8"),
        (
            "trusted_proxies",
            "10.0.0.1/8",
            "'10.0.0.1/8' has bits set outside its network: write 10.0.0.0/8 or a single address",
        ),
        ("log_level", "INFO", "must be one of debug, info, warning, error, not 'INFO'"),
    ],
)
def test_a_wrong_value_is_refused_by_the_variables_name(name: str, text: str, problem: str) -> None:
    assert problems({variable(name): text}) == [f"{variable(name)} {problem}"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("INBOX_PROT", "INBOX_PROT is not a setting; did you mean INBOX_PORT?"),
        ("INBOX_REDIS_URI", "INBOX_REDIS_URI is not a setting; did you mean INBOX_REDIS_URL?"),
        ("INBOX_port", "INBOX_port is not a setting"),
        ("INBOX_", "INBOX_ is not a setting"),
        ("INBOX_ZZZZZZ", "INBOX_ZZZZZZ is not a setting"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one_if_one_is_near(name: str, problem: str) -> None:
    (found,) = problems({name: "1"})
    assert found.startswith(problem)


def test_an_unknown_name_is_refused_even_when_it_is_empty() -> None:
    assert problems({"INBOX_PROT": ""}) == ["INBOX_PROT is not a setting; did you mean INBOX_PORT?"]


def test_everything_that_is_wrong_is_named_at_once() -> None:
    environment = {
        "INBOX_PROT": "1",
        "INBOX_PORT": "x",
        "INBOX_WORKERS": "0",
        "INBOX_BOOTSTRAP_API_KEY": "k",
        "INBOX_REDIS_URL": "redis://h",
        "INBOX_DURABILITY": "disk",
    }
    assert [problem.split()[0] for problem in problems(environment)] == [
        "INBOX_PROT",
        "INBOX_PORT",
        "INBOX_WORKERS",
        "INBOX_BOOTSTRAP_API_KEY",
        "INBOX_DURABILITY",
    ]


@pytest.mark.parametrize("alone", PAIR)
def test_the_bootstrap_key_and_secret_go_together(alone: str) -> None:
    assert problems({alone: "x"}) == [
        "INBOX_BOOTSTRAP_API_KEY and INBOX_BOOTSTRAP_API_SECRET go together: set both or none"
    ]


def test_both_halves_of_the_bootstrap_pair_are_taken() -> None:
    settings = load_settings(PAIR)
    assert (settings.bootstrap_api_key, settings.bootstrap_api_secret) == ("k", "s")


def test_a_server_of_ones_own_is_told_itself_when_to_sync() -> None:
    (problem,) = problems({"INBOX_REDIS_URL": "redis://h", "INBOX_DURABILITY": "memory"})
    assert problem == (
        "INBOX_DURABILITY cannot be memory with INBOX_REDIS_URL: set appendfsync on your own server, "
        "or wait for its replica with `replica`"
    )


def test_the_bundled_valkey_has_no_replica() -> None:
    assert problems({"INBOX_DURABILITY": "replica"}) == [
        "INBOX_DURABILITY cannot be replica with the bundled Valkey, which has none: set INBOX_REDIS_URL"
    ]
    with_replica = {"INBOX_DURABILITY": "replica", "INBOX_REDIS_URL": "redis://h"}
    assert load_settings(with_replica).durability == "replica"


def test_a_command_line_option_wins_over_the_environment_unless_it_is_none() -> None:
    settings = load_settings({"INBOX_HOST": "a", "INBOX_PORT": "1"}, host="b", port=None)
    assert (settings.host, settings.port) == ("b", 1)


SECRETS = {"redis_url": "redis://:hunter2@h", "secret_key": "hunter2", "bootstrap_api_secret": "hunter2"}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_does_not_print(name: str) -> None:
    environment = {variable(name): SECRETS[name]} | (PAIR if name == "secret_key" else {})
    settings = load_settings(environment | {"INBOX_BOOTSTRAP_API_KEY": "k", "INBOX_BOOTSTRAP_API_SECRET": "hunter2"})
    assert SECRETS[name] == getattr(settings, name)
    assert "hunter2" not in repr(settings) + str(settings)


def test_a_wrong_redis_url_does_not_print_its_password() -> None:
    assert "hunter2" not in problems({"INBOX_REDIS_URL": "http://:hunter2@h"})[0]


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc] # the point of this test


@pytest.mark.parametrize(
    ("environment", "embedded"), [({}, True), ({"INBOX_REDIS_URL": "redis://h"}, False)], ids=["bundled", "own"]
)
def test_the_bundled_valkey_is_used_unless_a_redis_is_named(environment: dict[str, str], embedded: bool) -> None:
    assert load_settings(environment).embedded is embedded


def test_the_bundled_valkeys_socket_lies_in_the_data_directory() -> None:
    assert load_settings({"INBOX_DATA_DIR": "/d"}).valkey_socket == Path("/d/valkey/valkey.sock")


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_setting_is_explained_and_its_default_is_valid(field: "dataclasses.Field[Any]") -> None:
    assert field.metadata["help"].endswith(".")
    assert variable(field.name) == PREFIX + field.name.upper()
    default = default_of(field)
    text = ",".join(default) if isinstance(default, tuple) else str(default)
    assert load_settings({variable(field.name): text}) == Settings()
