"""The revision of the source that runs."""

from pathlib import Path

from gateway.revision import revision

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_build_may_write_it_and_a_checkout_has_it(tmp_path: Path) -> None:
    package, git = tmp_path / "gateway", tmp_path / ".git"
    package.mkdir()
    assert revision(package) == ""
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "packed-refs").write_text(f"# pack-refs\n{COMMIT} refs/heads/main\n")
    assert revision(package) == COMMIT[:12]
    (git / "refs" / "heads" / "main").write_text(f"{'f' * 40}\n")
    assert revision(package) == "f" * 12
    (git / "HEAD").write_text(f"{COMMIT}\n")
    assert revision(package) == COMMIT[:12]
    (git / "HEAD").write_text("ref: refs/heads/none\n")
    assert revision(package) == ""
    (package / "REVISION").write_text(f"{'a' * 40}\n")
    assert revision(package) == "a" * 12
