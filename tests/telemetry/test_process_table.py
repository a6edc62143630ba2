"""The table of a gateway's processes."""

from pathlib import Path

from gateway.telemetry.process_table import FILE, ProcessTable, ProcessTableFile, read_table

TABLE = ProcessTable({"supervisor": 10, "gateway-1": 11}, {"gateway": 1}, {"gateway": 2})


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read_table(tmp_path) == ProcessTable({})
    file = ProcessTableFile(tmp_path)
    file.write(TABLE)
    assert read_table(tmp_path) == TABLE
    assert [each.name for each in tmp_path.iterdir()] == [FILE]


def test_a_table_that_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    file = ProcessTableFile(tmp_path)
    file.write(TABLE)
    (tmp_path / FILE).unlink()
    file.write(ProcessTable(*TABLE))
    assert read_table(tmp_path) == ProcessTable({})


def test_a_table_that_cannot_be_written_or_read_is_left_out(tmp_path: Path) -> None:
    ProcessTableFile(tmp_path / "nowhere").write(TABLE)
    for text in ("{", "[]", '{"pids": 1}'):
        (tmp_path / FILE).write_text(text)
        assert read_table(tmp_path) == ProcessTable({})
