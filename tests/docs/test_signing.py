"""The gateway accepts what the snippets of the guide to signing make, in every language that is installed."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import jwt
import pytest

from tests.servers import API_KEY, API_SECRET, Gateway, user_hmac

GUIDE = (Path(__file__).parent.parent.parent / "docs" / "bell" / "signing.md").read_text()
SNIPPETS = dict(re.findall(r"### (\w+)\n.*?```\w+\n(.*?)```", GUIDE, flags=re.DOTALL))
PROGRAMS = {
    "Python": ([sys.executable], "signing.py"),
    "Node": (["node"], "signing.mjs"),
    "Ruby": (["ruby"], "signing.rb"),
    "PHP": (["php"], "signing.php"),
    "Go": (["go", "run"], "signing.go"),
    "Java": (["java", "-Dfile.encoding=UTF-8", "-XX:TieredStopAtLevel=1"], "UserSigning.java"),
}
HARD = 'zoë \\"o\'neil\\" 😀 & <b>'
"""A name for which each part of a snippet can be wrong, as all six languages write it between double quotes."""


def test_each_language_has_a_snippet() -> None:
    assert list(SNIPPETS) == list(PROGRAMS)


@pytest.mark.parametrize("language", PROGRAMS)
def test_the_gateway_accepts_what_a_snippet_prints(gateway: Gateway, tmp_path: Path, language: str) -> None:
    command, name = PROGRAMS[language]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed: `apt-get install ruby php-cli golang-go default-jdk-headless`")
    snippet = SNIPPETS[language]
    assert snippet.count('"ada"') == 2
    (tmp_path / name).write_text(snippet.replace('"ada"', f'"{HARD}"'), encoding="utf-8")
    variables = {"API_KEY": API_KEY, "API_SECRET": API_SECRET, "LANG": "C.UTF-8", "GOFLAGS": "-mod=mod"}
    done = subprocess.run(
        [*command, str(tmp_path / name)], env=os.environ | variables, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    hmac, token = done.stdout.splitlines()
    user = HARD.replace("\\", "")
    by_hmac = httpx.Headers(
        [("X-MAGICBELL-API-KEY", API_KEY), ("X-MAGICBELL-USER-EXTERNAL-ID", user), ("X-MAGICBELL-USER-HMAC", hmac)],
        encoding="utf-8",
    )
    for headers in (by_hmac, httpx.Headers({"Authorization": f"Bearer {token}"})):
        assert httpx.get(f"{gateway.url}/notifications", headers=headers).status_code == 200
    claims = jwt.decode(token, API_SECRET, algorithms=["HS256"])
    assert set(claims) == {"api_key", "user_external_id", "iat", "exp"}
    assert claims["user_external_id"] == user
    assert abs(claims["iat"] - time.time()) < 60
    assert claims["exp"] == claims["iat"] + 3600


def test_the_snippet_that_checks_prints_the_inbox_for_both_proofs(gateway: Gateway) -> None:
    (snippet,) = re.findall(r"```sh\n(.*?)```", GUIDE, flags=re.DOTALL)
    now = int(time.time())
    claims = {"api_key": API_KEY, "user_external_id": "ada", "iat": now, "exp": now + 60}
    variables = {
        "INBOX": gateway.url,
        "API_KEY": API_KEY,
        "HMAC": user_hmac("ada"),
        "TOKEN": jwt.encode(claims, API_SECRET, "HS256"),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", snippet],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"notifications":[') == 2
