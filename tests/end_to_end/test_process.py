"""`serve` as a process: its start, signals, and a lack of resources."""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.test_cli import refusal, run
from tests.end_to_end.test_faults import is_alive
from tests.servers import ADMIN, Gateway, free_port, running_gateway, user_headers, wait_for

SERVE = f"exec {sys.executable} -m gateway serve"


@pytest.fixture
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Yield a directory with a short name, because it contains a Unix socket."""
    return tmp_path_factory.mktemp("s") / "data"


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INBOX_")}
    return {
        **clean,
        "INBOX_DATA_DIR": str(data_dir),
        "INBOX_PORT": str(free_port()),
        "INBOX_DRAIN_SECONDS": "0",
        "INBOX_DELIVERY_WORKERS": "0",
        **more,
    }


@contextlib.contextmanager
def started(command: str, settings: dict[str, str], **options: object) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a gateway for a block. A shell starts it in a new session."""
    log = Path(settings["INBOX_DATA_DIR"]).with_suffix(".log")
    with log.open("ab") as file:
        process = subprocess.Popen(
            ["bash", "-c", command], env=settings, stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def is_ready(settings: dict[str, str]) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{settings['INBOX_PORT']}/readyz", timeout=30).status_code == 200
    return False


def await_ready(settings: dict[str, str]) -> None:
    wait_for(lambda: is_ready(settings), "the gateway to be ready", 60)


def children_of(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("closed", ["<&- >&-", "<&- >&- 2>&-", "2>&-", ">/dev/full"])
def test_a_gateway_serves_with_closed_standard_descriptors(data_dir: Path, closed: str) -> None:
    settings = environment(data_dir, INBOX_WORKERS="2")
    with started(f"{SERVE} {closed}", settings) as process:
        await_ready(settings)
        for descriptor in (0, 1, 2):
            for pid in (process.pid, *children_of(process.pid)):
                with contextlib.suppress(FileNotFoundError):
                    assert "socket" not in os.readlink(f"/proc/{pid}/fd/{descriptor}")
        wait_for(lambda: len(children_of(process.pid)) == 3, "the announcing process to end")
        process.terminate()
        assert process.wait(30) == 0
    assert "Traceback" not in data_dir.with_suffix(".log").read_text()


def test_under_nohup_a_hangup_ends_no_process(data_dir: Path) -> None:
    settings = environment(data_dir)
    with started(f"exec nohup {sys.executable} -m gateway serve", settings) as process:
        await_ready(settings)
        before = children_of(process.pid)
        os.killpg(process.pid, signal.SIGHUP)
        time.sleep(0.5)  # nothing must happen
        assert is_ready(settings)
        assert set(children_of(process.pid)) >= {pid for pid in before if is_alive(pid)}
        process.terminate()
        assert process.wait(30) == 0
    assert '"reloading"' not in data_dir.with_suffix(".log").read_text()


def test_a_reload_that_is_sent_to_the_whole_group_kills_no_worker(data_dir: Path) -> None:
    settings = environment(data_dir)
    log = data_dir.with_suffix(".log")
    with started(SERVE, settings) as process:
        await_ready(settings)
        os.killpg(process.pid, signal.SIGHUP)
        wait_for(lambda: '"reloaded"' in log.read_text(), "the reload", 60)
        assert is_ready(settings)
    assert '"worker_ended"' not in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_any_moment_of_the_start_ends_everything_without_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, number: signal.Signals
) -> None:
    for milliseconds in (0, 120, 300, 500, 800, 1300):
        data_dir = tmp_path_factory.mktemp("s") / "data"
        settings = environment(data_dir)
        with started(SERVE, settings) as process:
            await_first_line(process.pid)
            time.sleep(milliseconds / 1000)
            os.killpg(process.pid, number)
            assert process.wait(30) in (0, -number, 128 + number)
            wait_for(lambda: not session_of(process.pid), "everything to end", 20)
        log = data_dir.with_suffix(".log").read_text()
        assert "Traceback" not in log, log
        assert "Aborted" not in log, log


def await_first_line(pid: int) -> None:
    """Wait until the first line of the gateway has replaced the interrupt handler of the interpreter."""

    def catches_interrupts() -> bool:
        caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
        return caught is not None and bool(int(caught[1], 16) & 1 << (signal.SIGINT - 1))

    # First the shell runs, then the interpreter: without its handler, with it, and without it again.
    wait_for(lambda: "gateway" in Path(f"/proc/{pid}/cmdline").read_text(), "the interpreter", 20)
    wait_for(catches_interrupts, "its handler", 20)
    wait_for(lambda: not catches_interrupts(), "the first line of the gateway", 20)


def session_of(session: int) -> list[int]:
    """Return the running processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, of = path.read_text().rpartition(")")[2].split()[:4]
            if int(of) == session and state != "Z":
                found.append(int(path.parent.name))
    return found


def test_the_announcing_process_leaves_no_zombie(gateway: Gateway) -> None:
    assert gateway.process is not None

    def states() -> list[str]:
        assert gateway.process is not None
        texts = [Path(f"/proc/{pid}/stat").read_text() for pid in children_of(gateway.process.pid)]
        return [text.rpartition(")")[2].split()[0] for text in texts]

    wait_for(lambda: not gateway.children("announce"), "the announcing process to end", 20)
    wait_for(lambda: "Z" not in states(), "no zombie", 20)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_preset_metrics_directory_is_not_used(data_dir: Path, tmp_path: Path, workers: str) -> None:
    preset = tmp_path / "not-there"
    with running_gateway(data_dir, INBOX_WORKERS=workers, PROMETHEUS_MULTIPROC_DIR=str(preset)) as gateway:
        httpx.get(f"{gateway.url}/notifications", headers=user_headers("ada")).raise_for_status()
        text = httpx.get(f"{gateway.url}/metrics").text
        assert 'inbox_http_requests_total{operation="GET /notifications",status="200"} 1.0' in text
        assert not preset.exists()
        assert gateway.stop() == 0
    assert not list(Path("/dev/shm").glob(f"inbox-metrics-*/counter_{os.getpid()}.db"))


def test_the_soft_limit_of_open_files_is_raised_and_a_low_hard_limit_is_logged(data_dir: Path) -> None:
    settings = environment(data_dir)
    with started(f"ulimit -Sn 256; ulimit -Hn 2000; {SERVE}", settings) as process:
        await_ready(settings)
        for pid in (process.pid, *children_of(process.pid)):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                assert resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] == 2000
        (line,) = (line for line in data_dir.with_suffix(".log").read_text().splitlines() if "few_open_files" in line)
        assert json.loads(line)["limit"] == 2000


# ---- an error is one sentence


def under_a_file(directory: Path) -> Path:
    (directory / "file").write_text("")
    return directory / "file" / "data"


def a_file(directory: Path) -> Path:
    (directory / "data").write_text("")
    return directory / "data"


def a_dangling_link(directory: Path) -> Path:
    (directory / "data").symlink_to(directory / "nowhere" / "else")
    (directory / "nowhere").write_text("")
    return directory / "data"


def on_a_read_only_file_system(directory: Path) -> Path:
    return Path("/proc/data")


@pytest.mark.parametrize("place", [under_a_file, a_file, a_dangling_link, on_a_read_only_file_system])
@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("project", "list")])
def test_a_data_directory_that_cannot_be_used_is_reported(
    tmp_path: Path, place: Callable[[Path], Path], command: tuple[str, ...]
) -> None:
    path = place(tmp_path)
    error = refusal(run(*command, data_dir=path))
    assert re.match(f"inbox-gateway: the data directory {path} cannot be used: ", error)
    assert "INBOX_DATA_DIR" in error


FOREIGN = 65534
"""The user id of `nobody`."""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another user")
@pytest.mark.parametrize("name", ["secret.key", "lock", "valkey"])
def test_a_link_that_another_user_put_into_a_shared_directory_is_refused(tmp_path: Path, name: str) -> None:
    data_dir, target = tmp_path / "data", tmp_path / "target"
    data_dir.mkdir()
    data_dir.chmod(0o1777)
    target.write_text("precious")
    (data_dir / name).symlink_to(target)
    os.chown(data_dir / name, FOREIGN, FOREIGN, follow_symlinks=False)
    error = refusal(run("project", "list", data_dir=data_dir))
    assert f"{data_dir / name} is a symbolic link of another user" in error
    assert target.read_text() == "precious"


@pytest.mark.parametrize("name", ["lock", "valkey", "secret.key", "secret.new", "demo-project.new"])
def test_a_link_in_the_data_directory_overwrites_nothing(tmp_path: Path, name: str) -> None:
    data_dir, target = tmp_path / "data", tmp_path / "target"
    data_dir.mkdir()
    target.write_text("precious")
    (data_dir / name).symlink_to(target)
    done = run("project", "list", data_dir=data_dir)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1
    assert target.read_text() == "precious"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("256.1.2.3", "cannot listen on 256.1.2.3"),
        ("192.0.2.1", "cannot listen on 192.0.2.1:0: Cannot assign requested address"),
        ("a..b", "cannot listen on a..b"),
        ("x" * 300, "cannot listen on xxx"),
        ("no-such-host.invalid", "cannot listen on no-such-host.invalid"),
    ],
)
def test_an_address_on_which_the_gateway_cannot_listen_is_reported(tmp_path: Path, host: str, expected: str) -> None:
    error = refusal(run("serve", "--host", host, "--port", "0", data_dir=tmp_path / "data"))
    assert expected in error
    assert "INBOX_HOST" in error


# ---- a full disk


@pytest.fixture
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a directory on a file system of its own with 12 MB."""
    path = tmp_path_factory.mktemp("d")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", path], timeout=30, check=False, capture_output=True
    )
    if done.returncode != 0:
        pytest.skip("nothing can be mounted here")
    yield path
    subprocess.run(["umount", "-l", path], timeout=30, check=True)


def write(gateway: Gateway, user: str) -> int:
    """Send a notification, and return the status."""
    body = {"notification": {"title": "Hello", "content": "x" * 20_000, "recipients": [{"external_id": user}]}}
    return httpx.post(f"{gateway.url}/notifications", headers=ADMIN, json=body, timeout=20).status_code


def test_a_valkey_that_ends_on_a_full_disk_is_restarted_with_growing_pauses_until_it_recovers(
    small_disk: Path, data_dir: Path
) -> None:
    (small_disk / "valkey").mkdir()
    data_dir.mkdir()
    (data_dir / "valkey").symlink_to(small_disk / "valkey")
    with running_gateway(data_dir, INBOX_DURABILITY="disk") as gateway:
        assert write(gateway, "ada") == 201
        ballast = small_disk / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb") as file:
            while True:
                file.write(bytes(100_000))
        first = gateway.children("valkey")
        seen, statuses, end = set(first), [], time.monotonic() + 8
        while time.monotonic() < end:
            statuses.append(write(gateway, "ada"))
            seen |= set(gateway.children("valkey"))
        assert 201 not in statuses[-3:]
        assert len(seen) - 1 <= 5
        assert gateway.log.count('"valkey_ended"') == 1
        assert gateway.log.count("No space left on device") <= 4
        ballast.unlink()
        wait_for(lambda: write(gateway, "ada") == 201, "writes to be accepted again", 40)
        assert httpx.get(f"{gateway.url}/notifications", headers=user_headers("ada")).status_code == 200
        wait_for(lambda: '"valkey_recovered"' in gateway.log, "the log line", 30)


def test_workers_that_die_repeatedly_after_they_served_do_not_end_the_gateway(data_dir: Path) -> None:
    with running_gateway(data_dir) as gateway:
        for count in range(1, 7):
            (worker, *_) = wait_for(lambda: gateway.children("worker"), "a worker", 30)
            os.kill(worker, signal.SIGKILL)
            wait_for(lambda: gateway.log.count('"worker_ended"') == count, "the log line", 10)  # noqa: B023
        wait_for(gateway.ready, "the gateway to be ready", 60)
        assert gateway.stop() == 0


def test_workers_that_never_serve_end_the_start(data_dir: Path) -> None:
    broken = data_dir.parent / "broken"
    broken.mkdir()
    (broken / "starlette.py").write_text("raise SystemExit(3)\n")
    done = run("serve", "--port", "0", data_dir=data_dir, PYTHONPATH=str(broken))
    assert done.returncode == 1
    assert "the workers die right after their start" in done.stderr
    shutil.rmtree(broken)
