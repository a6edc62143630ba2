"""Reading settings: names, types, bounds, and error messages."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import (
    MAX_SECRET_LENGTH,
    PREFIX,
    REDIS_SCHEMES,
    Settings,
    SettingsError,
    default_of,
    first_line,
    load_settings,
    variable,
)
from tests.stubs.certificates import make_certificates

FIELDS = dataclasses.fields(Settings)
KEY, SECRET = "shop-key", "secret-of-a-decent-length"
PAIR = {"INBOX_BOOTSTRAP_API_KEY": KEY, "INBOX_BOOTSTRAP_API_SECRET": SECRET}


def problems(environment: dict[str, str], **overrides: Any) -> list[str]:
    """Return the messages about an environment, one per problem."""
    with pytest.raises(SettingsError) as caught:
        load_settings(environment, **overrides)
    return str(caught.value).splitlines()


def test_an_empty_environment_has_the_defaults() -> None:
    assert load_settings({}) == Settings()


def test_variables_of_other_programs_are_ignored() -> None:
    assert load_settings({"PATH": "/bin", "inbox_port": "1", "INBOX": "x", "MY_INBOX_PORT": "2"}) == Settings()


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_an_empty_value_is_the_same_as_an_unset_one(field: "dataclasses.Field[Any]") -> None:
    assert load_settings({variable(field.name): ""}) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("host", "::", "::"),
        ("host", "[::1]", "::1"),
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
        ("delivery_workers", "0", 0),
        ("outbound_allowed_networks", "10.1.0.0/16,::1", ("10.1.0.0/16", "::1/128")),
        ("provider_urls", "", ()),
        (
            "provider_urls",
            "expo=http://127.0.0.1:9001/, web_push=https://push.example/p",
            (("expo", "http://127.0.0.1:9001"), ("web_push", "https://push.example/p")),
        ),
    ],
)
def test_a_value_is_read_as_its_type(name: str, text: str, value: Any) -> None:
    assert getattr(load_settings({variable(name): text}), name) == value


def test_a_file_with_certificates_is_accepted(tmp_path: Path) -> None:
    authority = make_certificates(tmp_path).authority
    assert load_settings({"INBOX_PROVIDER_CA_FILE": str(authority)}).provider_ca_file == str(authority)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        *(
            (
                "host",
                text,
                f"must be an address or a name alone, such as 127.0.0.1, not {text!r}; INBOX_PORT is the port",
            )
            for text in ("localhost:8000", "http://localhost", "localhost/", " localhost")
        ),
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
        ("allowed_origins", " , ", "names no origin; `*` allows all"),
        ("public_url", "example.com", "must be an address such as https://example.com/inbox, not 'example.com'"),
        ("trusted_proxies", "10.0.0.0/8,proxy", "'proxy' is not an address or a network such as 10.0.0.0/8"),
        (
            "trusted_proxies",
            "10.0.0.1/8",
            "'10.0.0.1/8' has bits set outside its network: write 10.0.0.0/8 or a single address",
        ),
        ("delivery_workers", "-1", "must be at least 0, not -1"),
        ("outbound_allowed_networks", "intranet", "'intranet' is not an address or a network such as 10.0.0.0/8"),
        *(
            ("provider_urls", text, "must have entries such as expo=http://127.0.0.1:9001, separated by commas")
            for text in ("expo", "expo=ftp://h", "expo=http://a b", "Expo=http://h", "=http://h", "expo=http://u@h")
        ),
        ("provider_urls", "expo=http://a,expo=http://b", "names expo twice"),
        *(
            ("provider_ca_file", text, f"must be a file with certificates in PEM format, not {text!r}")
            for text in ("/no/such/file", __file__, "/")
        ),
        ("log_level", "INFO", "must be one of debug, info, warning, error, not 'INFO'"),
    ],
)
def test_a_wrong_value_is_refused_with_the_name_of_the_variable(name: str, text: str, problem: str) -> None:
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
def test_an_unknown_name_is_refused_with_a_similar_name_if_there_is_one(name: str, problem: str) -> None:
    (found,) = problems({name: "1"})
    assert found.startswith(problem)


def test_an_unknown_name_is_refused_even_when_it_is_empty() -> None:
    assert problems({"INBOX_PROT": ""}) == ["INBOX_PROT is not a setting; did you mean INBOX_PORT?"]


def test_all_problems_are_reported_together() -> None:
    environment = {
        "INBOX_PROT": "1",
        "INBOX_PORT": "x",
        "INBOX_WORKERS": "0",
        "INBOX_BOOTSTRAP_API_KEY": KEY,
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
def test_the_bootstrap_key_and_secret_are_set_together(alone: str) -> None:
    assert problems({alone: PAIR[alone]}) == [
        "INBOX_BOOTSTRAP_API_KEY and INBOX_BOOTSTRAP_API_SECRET belong together: set both or neither"
    ]


def test_a_bootstrap_key_and_secret_are_accepted() -> None:
    settings = load_settings(PAIR)
    assert (settings.bootstrap_api_key, settings.bootstrap_api_secret) == (KEY, SECRET)


def test_a_durability_that_is_configured_on_an_external_server_is_refused() -> None:
    (problem,) = problems({"INBOX_REDIS_URL": "redis://h", "INBOX_DURABILITY": "memory"})
    assert problem == (
        "INBOX_DURABILITY cannot be memory with INBOX_REDIS_URL: set appendfsync on that server, "
        "or use `replica` to wait for a replica"
    )


def test_the_bundled_valkey_has_no_replica() -> None:
    assert problems({"INBOX_DURABILITY": "replica"}) == [
        "INBOX_DURABILITY cannot be replica with the bundled Valkey, which has no replica: set INBOX_REDIS_URL"
    ]
    with_replica = {"INBOX_DURABILITY": "replica", "INBOX_REDIS_URL": "redis://h"}
    assert load_settings(with_replica).durability == "replica"


def test_a_command_line_option_is_read_as_the_variable_is() -> None:
    assert load_settings({}, host="[::1]").host == "::1"
    assert problems({}, host="localhost:80")[0].startswith("--host must be an address or a name alone")


def test_a_command_line_option_takes_precedence_unless_it_is_none() -> None:
    settings = load_settings({"INBOX_HOST": "a", "INBOX_PORT": "1"}, host="b", port=None)
    assert (settings.host, settings.port) == ("b", 1)


SECRETS = {"redis_url": f"redis://:{SECRET}@h", "secret_key": SECRET, "bootstrap_api_secret": SECRET}


@pytest.mark.parametrize("name", SECRETS)
def test_the_representation_of_settings_contains_no_secret(name: str) -> None:
    settings = load_settings(PAIR | {variable(name): SECRETS[name]})
    assert SECRETS[name] == getattr(settings, name)
    assert SECRET not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("bootstrap_api_key", "x", "must have 4 to 255 characters"),
        ("bootstrap_api_key", " shop-key", "must not begin or end with a space or a line break"),
        ("bootstrap_api_key", "my shop-key", "must not contain a space"),
        ("bootstrap_api_key", "-shop-key", "must not begin with a dash"),
        ("bootstrap_api_key", "läden-key", "must consist of printable ASCII characters"),
        ("bootstrap_api_secret", "s", "must have 6 to 255 characters"),
        ("bootstrap_api_secret", f"{SECRET}\n", "must not begin or end with a space or a line break"),
        ("bootstrap_api_secret", f"{SECRET}\x7f", "must consist of printable ASCII characters"),
        ("bootstrap_api_secret", f"{SECRET}é", "must consist of printable ASCII characters"),
        ("bootstrap_api_secret", "s" * 256, "must have 6 to 255 characters"),
        ("secret_key", "k", "must have 4 to 255 characters"),
        ("secret_key", "  ", "must not begin or end with a space or a line break"),
        ("secret_key", f"{SECRET}\r\n", "must not begin or end with a space or a line break"),
        ("secret_key", "schlüssel-für-alles", "must consist of printable ASCII characters"),
        ("secret_key", "bytes \udcff of no text", "must consist of printable ASCII characters"),
    ],
)
def test_a_key_or_secret_that_cannot_be_sent_in_a_header_is_refused_without_repeating_it(
    name: str, text: str, reason: str
) -> None:
    (problem,) = problems(PAIR | {variable(name): text})
    assert problem.startswith(f"{variable(name)} {reason}")
    assert len(text) < 3 or text.strip() not in problem


def test_a_secret_key_may_be_a_phrase() -> None:
    assert load_settings({"INBOX_SECRET_KEY": "correct horse battery"}).secret_key == "correct horse battery"


def test_the_public_api_key_is_in_the_representation_of_settings() -> None:
    assert problems(dict.fromkeys(PAIR, SECRET)) == [
        "INBOX_BOOTSTRAP_API_SECRET must differ from INBOX_BOOTSTRAP_API_KEY, which is public"
    ]


def test_the_error_for_an_invalid_redis_url_contains_no_password() -> None:
    (problem,) = problems({"INBOX_REDIS_URL": "redis://:hunter2/@h"})
    assert problem.startswith("INBOX_REDIS_URL has a character in its password that must be encoded")
    assert "hunter2" not in problem


def test_a_bootstrap_project_requires_hmacs_by_default() -> None:
    assert load_settings(PAIR).bootstrap_hmac_enabled
    assert not load_settings(PAIR | {"INBOX_BOOTSTRAP_HMAC_ENABLED": "false"}).bootstrap_hmac_enabled


SERVICE_LINKS = {
    "INBOX_SERVICE_HOST": "10.96.3.7",
    "INBOX_SERVICE_PORT": "8000",
    "INBOX_SERVICE_PORT_HTTP": "8000",
    "INBOX_PORT": "tcp://10.96.3.7:8000",
    "INBOX_PORT_8000_TCP": "tcp://10.96.3.7:8000",
    "INBOX_PORT_8000_TCP_PROTO": "tcp",
    "INBOX_PORT_8000_TCP_PORT": "8000",
    "INBOX_PORT_8000_TCP_ADDR": "10.96.3.7",
    "INBOX_GATEWAY_SERVICE_HOST": "fd00::7",
    "INBOX_GATEWAY_PORT": "tcp://[fd00::7]:80",
    "INBOX_REDIS_SERVICE_PORT": "6379",
    "INBOX_REDIS_PORT_6379_UDP": "udp://10.96.3.8:6379",
}


def test_the_service_links_of_kubernetes_are_ignored() -> None:
    assert load_settings(SERVICE_LINKS) == Settings()
    assert load_settings(SERVICE_LINKS | {"INBOX_PORT": "8001"}).port == 8001


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("INBOX_PORT", "tcp://10.96.3.7"),
        ("INBOX_PORT", "http://10.96.3.7:80"),
        ("INBOX_PORTS", "8000"),
        ("INBOX_SERVICE_HOST", "localhost"),
        ("INBOX_REDIS_PORT", "6379"),
        ("INBOX_REDIS_HOST", "10.96.3.7"),
        ("INBOX_REDIS_SERVICE_PORT", "all"),
        ("INBOX_PORT_8000_TCP_ADDRESS", "10.96.3.7"),
    ],
)
def test_a_variable_that_only_resembles_a_service_link_is_refused(name: str, text: str) -> None:
    (problem,) = problems({name: text})
    assert problem.startswith(name)


def test_the_memory_of_the_bundled_valkey_cannot_be_set_with_an_external_server() -> None:
    (problem,) = problems({"INBOX_REDIS_URL": "redis://h", "INBOX_VALKEY_MEMORY_MB": "100"})
    assert problem.endswith("set maxmemory on that server")
    assert problems({"INBOX_VALKEY_MEMORY_MB": "1"}) == ["INBOX_VALKEY_MEMORY_MB must be 0 or at least 16, not 1"]


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc] # the point of this test


@pytest.mark.parametrize(
    ("environment", "embedded"), [({}, True), ({"INBOX_REDIS_URL": "redis://h"}, False)], ids=["bundled", "own"]
)
def test_the_bundled_valkey_is_used_unless_a_redis_is_named(environment: dict[str, str], embedded: bool) -> None:
    assert load_settings(environment).embedded is embedded


def test_the_socket_of_the_bundled_valkey_is_in_the_data_directory() -> None:
    assert load_settings({"INBOX_DATA_DIR": "/d"}).valkey_socket == Path("/d/valkey/valkey.sock")


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_setting_is_explained_and_its_default_is_valid(field: "dataclasses.Field[Any]") -> None:
    assert field.metadata["help"].endswith(".")
    assert variable(field.name) == PREFIX + field.name.upper()
    default = default_of(field)
    text = ",".join(default) if isinstance(default, tuple) else str(default)
    assert load_settings({variable(field.name): text}) == Settings()


def test_single_sign_on_is_set_as_a_whole(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\nignored\n")
    given = {
        "INBOX_OIDC_ISSUER": "https://login.example.com/realms/main",
        "INBOX_OIDC_CLIENT_ID": "inbox",
        "INBOX_OIDC_CLIENT_SECRET_FILE": str(secret),
    }
    roles = "groups:inbox-admins=admin,shop=editor@2"
    settings = load_settings(given | {"INBOX_OIDC_SCOPES": "openid  groups", "INBOX_OIDC_ROLES": roles})
    assert (settings.oidc_scopes, settings.oidc_roles) == ("openid groups", roles)
    assert first_line(settings.oidc_client_secret_file) == "s3cret"
    for local in ("http://localhost:8080/realms/main", "http://127.0.0.1:9", "http://[::1]:9/"):
        assert load_settings(given | {"INBOX_OIDC_ISSUER": local}).oidc_issuer == local
    for issuer in ("http://login.example.com", "https://login.example.com/?a=b", "login.example.com", "https://a/#b"):
        assert problems(given | {"INBOX_OIDC_ISSUER": issuer}) == [
            "INBOX_OIDC_ISSUER must be an https address without a query, such as https://login.example.com/realms/main"
        ]
    assert problems({"INBOX_OIDC_NAME": "Example ID", "INBOX_OIDC_CLIENT_ID": "inbox"}) == [
        (
            "INBOX_OIDC_CLIENT_ID needs INBOX_OIDC_ISSUER and INBOX_OIDC_CLIENT_SECRET_FILE too: single sign-on has "
            "all three, or none"
        )
    ]
    assert problems(given | {"INBOX_OIDC_SCOPES": "email"}) == [
        "INBOX_OIDC_SCOPES must have the scope openid, not 'email'"
    ]
    assert problems(given | {"INBOX_OIDC_ROLES": "groups:a=root"})[0].startswith("INBOX_OIDC_ROLES must have roles")
    secret.write_text("\n")
    for file in (secret, tmp_path / "missing"):
        assert problems(given | {"INBOX_OIDC_CLIENT_SECRET_FILE": str(file)}) == [
            f"INBOX_OIDC_CLIENT_SECRET_FILE must be a file whose first line is the secret, not {str(file)!r}"
        ]


def test_single_sign_on_needs_its_extra_and_the_gateway_does_not() -> None:
    program = """
import sys
sys.modules.update(dict.fromkeys(("authlib", "joserfc")))
import gateway.app, gateway.cli.serving
from gateway.settings import SettingsError, load_settings
load_settings({})
gateway.app.Worker(load_settings({}))
try:
    load_settings({"INBOX_OIDC_CLIENT_ID": "inbox"})
except SettingsError as problem:
    print(problem)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == (
        "INBOX_OIDC_CLIENT_ID needs packages that are not installed: pip install 'inbox-gateway[sso]'"
    )


SECRET_VARIABLES = [variable(field.name) for field in FIELDS if field.metadata["secret"]]


def test_each_secret_may_be_the_first_line_of_a_file(tmp_path: Path) -> None:
    texts = {
        "INBOX_REDIS_URL": "redis://:pass@store:6379",
        "INBOX_SECRET_KEY": "k" * 40,
        "INBOX_BOOTSTRAP_API_SECRET": SECRET,
    }
    assert set(texts) == set(SECRET_VARIABLES), "docs/reference/settings.md names the variables for files"
    given = {"INBOX_BOOTSTRAP_API_KEY": KEY}
    for name, text in texts.items():
        (tmp_path / name).write_text(f"{text}\nanother line\n")
        given[f"{name}_FILE"] = str(tmp_path / name)
    assert load_settings(given) == load_settings({**texts, "INBOX_BOOTSTRAP_API_KEY": KEY})
    assert load_settings({f"{name}_FILE": "" for name in SECRET_VARIABLES}) == Settings()


def test_a_wrong_file_of_a_secret_is_an_error(tmp_path: Path) -> None:
    empty, good = tmp_path / "empty", tmp_path / "good"
    empty.write_text("\n")
    good.write_text("k" * 40)
    for path in (empty, tmp_path / "missing", tmp_path):
        assert problems({"INBOX_SECRET_KEY_FILE": str(path)}) == [
            f"INBOX_SECRET_KEY_FILE must be a file whose first line is the secret, not {str(path)!r}"
        ]
    # Somebody sets the secret where its file is meant.
    for secret in ("redis://:hunter2@redis.internal", "hunter2", "k" * 5000):
        (problem,) = problems({"INBOX_REDIS_URL_FILE": secret})
        assert problem.endswith("whose first line is the secret, not a relative path that does not exist")
    huge = tmp_path / "huge"
    huge.write_text("k" * 1_000_000)
    assert len(first_line(str(huge))) == MAX_SECRET_LENGTH
    assert problems({"INBOX_SECRET_KEY_FILE": str(good), "INBOX_SECRET_KEY": "k" * 40}) == [
        "INBOX_SECRET_KEY_FILE and INBOX_SECRET_KEY are both set: set one of them"
    ]
    assert problems({"INBOX_PORT_FILE": str(good)})[0].startswith("INBOX_PORT_FILE is not a setting")
