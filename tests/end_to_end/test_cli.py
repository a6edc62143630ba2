"""The installed command, run in separate processes."""

import asyncio
import contextlib
import json
import os
import pty
import re
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from gateway.cli import cli
from tests.live.clients import open_inbox
from tests.servers import ADMIN, API_KEY, Gateway, running_gateway, user_hmac, wait_for

SECONDS = 100


def run(*arguments: str, data_dir: Path | None = None, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `inbox-gateway` until it ends, without the INBOX_* settings of this process."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INBOX_")}
    if data_dir is not None:
        clean["INBOX_DATA_DIR"] = str(data_dir)
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def output(*arguments: str, data_dir: Path) -> str:
    """Run a command that must succeed, and return what it printed."""
    done = run(*arguments, data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def fields(printed: str) -> dict[str, str]:
    """Return the `name   value` lines of a project as a dict."""
    return dict(re.split(r"\s{2,}", line, maxsplit=1) for line in printed.strip().splitlines())


def refusal(done: "subprocess.CompletedProcess[str]") -> str:
    """Return the error of a command that was refused, which is its only line."""
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    return line


def test_a_full_standard_output_is_reported(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "settings"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert (done.returncode, done.stderr) == (
        1,
        "inbox-gateway: cannot read or write its input or output: No space left on device\n",
    )


# ---- help


@pytest.mark.parametrize(
    "command",
    [
        *("", "serve", "project", "project create", "project list", "project set", "project rotate-secret"),
        *("project keys add", "workspace", "workspace create", "workspace list", "workspace rename"),
        *("workspace revoke-token", "token", "doctor", "status", "send"),
    ],
)
def test_every_command_has_a_help_text(command: str) -> None:
    done = run(*command.split(), "--help")
    assert done.returncode == 0
    assert done.stderr == ""
    assert f"inbox-gateway {command}".strip() in done.stdout.replace("python -m gateway", "inbox-gateway")


@pytest.mark.parametrize("group", ["", "project", "project keys", "workspace"])
def test_no_description_in_a_list_of_commands_is_truncated(group: str) -> None:
    listed = CliRunner().invoke(cli, [*group.split(), "--help"], terminal_width=80).output.split("Commands:\n")[1]
    assert [line for line in listed.splitlines() if not line.endswith(".")] == []
    assert "..." not in listed


def test_the_installed_command_has_a_name_and_a_version() -> None:
    program = Path(sys.executable).with_name("inbox-gateway")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert re.fullmatch(r"inbox-gateway, version \d+\.\d+\.\d+\n", done.stdout)


def test_an_unknown_command_is_named() -> None:
    done = run("sevre")
    assert done.returncode == 2
    assert "sevre" in done.stderr


# ---- projects and tokens, while a gateway is running


def api_status(gateway: Gateway, headers: dict[str, str]) -> int:
    """Request a list and return the status."""
    return httpx.get(f"{gateway.url}/notifications", headers=headers).status_code


def admin_status(gateway: Gateway, api_key: str, api_secret: str) -> int:
    """Send a notification and return the status."""
    headers = {"X-MAGICBELL-API-KEY": api_key, "X-MAGICBELL-API-SECRET": api_secret}
    body = {"notification": {"title": "Hello", "recipients": [{"external_id": "ada"}]}}
    return httpx.post(f"{gateway.url}/notifications", headers=headers, json=body).status_code


def test_a_created_project_works_at_once_and_is_listed_without_its_secret(gateway: Gateway) -> None:
    printed = output("project", "create", "Shop", data_dir=gateway.data_dir)
    project = fields(printed)
    assert project.keys() == {"name", "id", "api key", "api secret", "hmac", "origins", "workspace"}
    assert (project["name"], project["hmac"]) == ("Shop", "required")
    assert project["api key"].startswith("key_"), "a command line must not parse it as an option"
    assert admin_status(gateway, project["api key"], project["api secret"]) == 201

    listed = output("project", "list", data_dir=gateway.data_dir)
    assert project["api key"] in listed
    assert API_KEY in listed
    assert project["api secret"] not in listed


def test_a_project_may_switch_hmacs_off(gateway: Gateway) -> None:
    project = fields(output("project", "create", "Intranet", "--no-hmac", data_dir=gateway.data_dir))
    assert project["hmac"] == "not required"
    headers = {"X-MAGICBELL-API-KEY": project["api key"], "X-MAGICBELL-USER-EXTERNAL-ID": "ada"}
    assert api_status(gateway, headers) == 200


def test_the_old_secret_stays_valid_for_the_overlap_of_a_rotation(gateway: Gateway) -> None:
    old = fields(output("project", "create", "Shop", data_dir=gateway.data_dir))
    new = fields(output("project", "rotate-secret", old["api key"], data_dir=gateway.data_dir))
    assert new["api key"] == old["api key"]
    assert new["api secret"] != old["api secret"]
    for secret in (old["api secret"], new["api secret"]):
        assert admin_status(gateway, old["api key"], secret) == 201
        headers = {
            "X-MAGICBELL-API-KEY": old["api key"],
            "X-MAGICBELL-USER-EXTERNAL-ID": "ada",
            "X-MAGICBELL-USER-HMAC": user_hmac("ada", secret),
        }
        assert api_status(gateway, headers) == 200


def test_the_old_secret_is_invalid_after_a_rotation_without_overlap(gateway: Gateway) -> None:
    old = fields(output("project", "create", "Shop", data_dir=gateway.data_dir))
    new = fields(output("project", "rotate-secret", old["api key"], "--overlap", "0", data_dir=gateway.data_dir))
    assert admin_status(gateway, old["api key"], old["api secret"]) == 401
    assert admin_status(gateway, old["api key"], new["api secret"]) == 201


def test_a_rotation_reaches_a_running_gateway_within_seconds(gateway: Gateway) -> None:
    old = fields(output("project", "create", "Shop", data_dir=gateway.data_dir))
    assert admin_status(gateway, old["api key"], old["api secret"]) == 201
    new = fields(output("project", "rotate-secret", old["api key"], data_dir=gateway.data_dir))
    wait_for(lambda: admin_status(gateway, old["api key"], new["api secret"]) == 201, "the new secret to be valid")
    assert admin_status(gateway, old["api key"], old["api secret"]) == 201


@pytest.mark.parametrize("name", [("--external-id", "ada"), ("--email", "Ada@Example.com")])
def test_a_token_is_accepted_by_the_api(gateway: Gateway, name: tuple[str, str]) -> None:
    token = output("token", "--api-key", API_KEY, *name, data_dir=gateway.data_dir).strip()
    assert api_status(gateway, {"Authorization": f"Bearer {token}"}) == 200


def test_a_token_is_accepted_after_those_before_it_were_revoked(gateway: Gateway) -> None:
    before = output("token", "--api-key", API_KEY, "--external-id", "revoked", data_dir=gateway.data_dir).strip()
    assert api_status(gateway, {"Authorization": f"Bearer {before}"}) == 200
    now = int(time.time()) + 1
    wait_for(lambda: time.time() >= now, "the next second")
    body = {"issued_before": now}
    url = f"{gateway.url}/users/external_id:revoked/revoke_tokens"
    httpx.post(url, headers=ADMIN, json=body).raise_for_status()
    after = output("token", "--api-key", API_KEY, "--external-id", "revoked", data_dir=gateway.data_dir).strip()
    assert api_status(gateway, {"Authorization": f"Bearer {before}"}) == 401
    assert api_status(gateway, {"Authorization": f"Bearer {after}"}) == 200


def test_the_printed_hmac_is_the_one_that_a_backend_computes(gateway: Gateway) -> None:
    printed = output("token", "--api-key", API_KEY, "--external-id", "ada", "--hmac", data_dir=gateway.data_dir)
    assert printed.strip() == user_hmac("ada")


# ---- status and send


async def test_an_open_inbox_shows_what_a_shell_sends_and_the_status_counts_it(gateway: Gateway) -> None:
    async with open_inbox("websocket", gateway, "shell-ada") as inbox:
        sending = asyncio.create_task(
            asyncio.to_thread(
                output, *("send", "--to", "shell-ada", "--title", "Hi", "--api-key", API_KEY), data_dir=gateway.data_dir
            )
        )
        event = await inbox.next()
        assert (event["name"], event["data"]["notification"]["title"]) == ("notifications/new", "Hi")
        printed = await sending
        assert "inbox        stored; 1 of 1 open inboxes have it" in printed
        assert event["data"]["notification"]["id"] in printed
        await asyncio.to_thread(
            wait_for, lambda: "1 websocket" in output("status", data_dir=gateway.data_dir), "a report"
        )


# ---- doctor


def test_the_doctor_finds_no_problem_with_a_running_gateway(gateway: Gateway) -> None:
    printed = output("doctor", data_dir=gateway.data_dir)
    assert "durability append-only file" in printed
    assert "secret key decrypts the secrets of every project" in printed
    # Other tests create projects without HMAC there, for which the doctor prints a warning.
    assert "PROBLEM" not in printed


def test_the_doctor_finds_no_problem_before_the_first_start_and_leaves_no_process(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    assert output("doctor", data_dir=data_dir).endswith("all well\n")
    with socket.socket(socket.AF_UNIX) as connection, pytest.raises(OSError, match=r"refused|No such file"):
        connection.connect(str(data_dir / "valkey" / "valkey.sock"))


def test_a_project_created_before_the_first_start_is_usable_after_it(tmp_path: Path) -> None:
    project = fields(output("project", "create", "Early", data_dir=tmp_path / "data"))
    with running_gateway(tmp_path / "data") as gateway:
        assert admin_status(gateway, project["api key"], project["api secret"]) == 201


# ---- an error is one sentence


def test_a_port_in_use_is_reported(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port), data_dir=tmp_path / "data")
    assert refusal(done) == (
        f"inbox-gateway: cannot listen on 127.0.0.1:{port}: Address already in use. "
        "Use --port or INBOX_PORT for another."
    )


def test_a_misspelt_setting_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    done = run("serve", data_dir=tmp_path / "data", INBOX_HEARTBEAT_SECOND="5")
    assert refusal(done) == (
        "inbox-gateway: INBOX_HEARTBEAT_SECOND is not a setting; did you mean INBOX_HEARTBEAT_SECONDS?"
    )


def test_a_setting_with_a_wrong_value_is_named(tmp_path: Path) -> None:
    assert "INBOX_PORT must be a whole number, not 'http'" in refusal(
        run("serve", data_dir=tmp_path / "data", INBOX_PORT="http")
    )


def test_a_data_directory_whose_path_is_too_long_for_a_socket_is_reported(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    assert "too long for a Unix socket" in refusal(run("project", "list", data_dir=deep))


# ---- the first start


UNSET = {"INBOX_BOOTSTRAP_API_KEY": "", "INBOX_BOOTSTRAP_API_SECRET": "", "INBOX_BOOTSTRAP_HMAC_ENABLED": ""}
KEYS_FILE = "demo-project.json"


def demo_keys(data_dir: Path) -> dict[str, Any]:
    """Return the stored keys of the demo project."""
    keys: dict[str, Any] = json.loads((data_dir / KEYS_FILE).read_text())
    return keys


def on_a_terminal(data_dir: Path) -> str:
    """Return what `serve` prints to a terminal at its start."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INBOX_")}
    environment |= {"INBOX_DATA_DIR": str(data_dir), "INBOX_PORT": "0", "INBOX_DRAIN_SECONDS": "0"}
    terminal, inner = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "gateway", "serve"], env=environment, stdout=inner, stderr=inner)
    os.close(inner)
    printed = b""
    try:
        deadline = time.monotonic() + SECONDS
        while b"Hello, Ada" not in printed and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.5)[0]:
                printed += os.read(terminal, 65536)
        # The secret is marked as shown after it was printed.
        wait_for(lambda: demo_keys(data_dir)["shown"], f"the mark; printed: {printed.decode()}")
    finally:
        process.terminate()
        deadline = time.monotonic() + SECONDS
        with contextlib.suppress(OSError):  # reading a terminal fails after its last writer has closed it
            while time.monotonic() < deadline:
                if select.select([terminal], [], [], 0.5)[0]:
                    printed += os.read(terminal, 65536)
        process.wait(SECONDS)
        os.close(terminal)
    return printed.decode().replace("\r\n", "\n")


def test_the_secret_of_the_demo_project_is_printed_once_and_only_to_a_terminal(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with running_gateway(data_dir, **UNSET) as gateway:
        wait_for(lambda: "Hello, Ada" in gateway.log, "the banner")
        assert f"Demo page   {gateway.url}/demo\n" in gateway.log
    keys = demo_keys(data_dir)
    assert keys["api_secret"] not in gateway.log
    first, second = on_a_terminal(data_dir), on_a_terminal(data_dir)
    assert f"export API_SECRET={keys['api_secret']}\n" in first
    assert keys["api_secret"] not in second
    assert keys == demo_keys(data_dir) | {"shown": False}
    for name in (KEYS_FILE, "demo-project.env"):
        assert (data_dir / name).stat().st_mode & 0o777 == 0o600


def test_the_commands_that_a_start_prints_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    with running_gateway(tmp_path / "a #?%41\"' ä", **UNSET) as gateway:
        wait_for(lambda: "Hello, Ada" in gateway.log, "the banner")
        lines = [line for line in gateway.log.splitlines() if line.startswith((".", "curl", "  -"))]
        pasted = "\n".join(lines)
        done = subprocess.run(["sh", "-euc", pasted], capture_output=True, text=True, timeout=SECONDS, check=False)
        assert '"title":"Hello, Ada"' in done.stdout, done.stderr


def test_a_store_has_one_demo_project_even_if_its_keys_are_lost(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with running_gateway(data_dir, **UNSET) as gateway:
        keys = demo_keys(data_dir)
        rotated = fields(output("project", "rotate-secret", keys["api_key"], "--overlap", "0", data_dir=data_dir))
        gateway.stop()
        gateway.start()
        assert demo_keys(data_dir)["api_secret"] == rotated["api secret"]
        (data_dir / KEYS_FILE).unlink()
        gateway.stop()
        gateway.start()
        assert demo_keys(data_dir)["api_key"] == keys["api_key"]
        assert output("project", "list", data_dir=data_dir).count("api key") == 1


def test_the_files_with_secrets_are_private(tmp_path: Path) -> None:
    output("project", "create", "Shop", data_dir=tmp_path / "data")
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    assert (tmp_path / "data" / "secret.key").stat().st_mode & 0o077 == 0
    assert (tmp_path / "data" / "valkey").stat().st_mode & 0o077 == 0
