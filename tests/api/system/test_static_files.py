"""Validators, compression and sharing of static files."""

import gzip
from pathlib import Path

import httpx
import pytest

from gateway.api.system.static_files import StaticFiles, accepts_gzip, has_tag
from gateway.domain.errors import ApiError


@pytest.mark.parametrize(
    ("accepted", "is_accepted"),
    [
        *(("gzip", True), ("br, GZIP;q=0.5", True), ("x-gzip", True), ("gzip ; q=1.0", True), ("deflate, gzip", True)),
        *(("", False), ("br", False), ("gzip;q=0", False), ("gzip; q=0.000", False), ("*", False), ("gzipped", False)),
    ],
)
def test_gzip_is_used_only_for_clients_that_name_it(accepted: str, is_accepted: bool) -> None:
    assert accepts_gzip({"accept-encoding": accepted}) is is_accepted


@pytest.mark.parametrize(
    ("condition", "matches"),
    [
        *(('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), (" * ", True)),
        *(("", False), ('"b"', False), ("a", False), ('"a-gzip"', False), ("W/", False)),
    ],
)
def test_a_condition_matches_a_tag_in_its_list(condition: str, matches: bool) -> None:
    assert has_tag(condition, '"a"') is matches


async def test_a_file_is_sent_compressed_and_only_once_to_a_client_that_keeps_it(http: httpx.AsyncClient) -> None:
    plain = await http.get("/client.js", headers={"Accept-Encoding": "identity"})
    async with http.stream("GET", "/client.js", headers={"Accept-Encoding": "gzip"}) as packed:
        raw = b"".join([part async for part in packed.aiter_raw()])
    assert gzip.decompress(raw) == plain.content
    assert int(packed.headers["content-length"]) == len(raw) < len(plain.content) / 2
    assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert "content-encoding" not in plain.headers
    # A strong tag names the bytes that are sent, so that a cache never mixes both forms.
    assert packed.headers["etag"] != plain.headers["etag"]
    for accepted, response in (("gzip", packed), ("identity", plain)):
        headers = {"Accept-Encoding": accepted, "If-None-Match": response.headers["etag"]}
        again = await http.get("/client.js", headers=headers)
        assert (again.status_code, again.content) == (304, b"")
        names = ("etag", "vary", "cache-control", "access-control-allow-origin")
        assert {name: again.headers[name] for name in names} == {name: response.headers[name] for name in names}


async def test_a_head_request_gets_the_headers_of_the_file(http: httpx.AsyncClient) -> None:
    head, got = await http.head("/client.js"), await http.get("/client.js")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-type", "content-length", "content-encoding"):
        assert head.headers[name] == got.headers[name]


def test_a_directory_is_an_index_of_names_and_no_path(tmp_path: Path) -> None:
    (tmp_path / "dist/demo").mkdir(parents=True)
    (tmp_path / "dist/demo/main.js").write_text("1")
    (tmp_path / "secret.js").write_text("2")
    files = StaticFiles(tmp_path / "dist")
    assert list(files) == ["demo/main.js"]
    for name in ("../secret.js", "demo/../demo/main.js", "demo", "demo/", "", "/demo/main.js"):
        with pytest.raises(ApiError, match="not found"):
            files.get(name)


async def test_a_file_that_an_upgrade_has_replaced_is_not_sent_under_the_old_version(tmp_path: Path) -> None:
    (tmp_path / "client.js").write_text("old")
    file = StaticFiles(tmp_path).get("client.js")
    assert await file.body("") == b"old"
    (tmp_path / "client.js").write_text("new")
    assert await file.body("") == b"old"
    with pytest.raises(ApiError, match="Restart the gateway"):
        await file.body("gzip")
