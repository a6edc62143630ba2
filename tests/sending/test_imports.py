"""The stored portions of an import."""

import msgspec

from gateway.sending.imports import PORTION_ROWS, portions_of


def test_rows_are_stored_in_portions_of_a_fixed_size() -> None:
    rows = [{"external_id": str(number)} for number in range(2 * PORTION_ROWS + 1)]
    portions = [msgspec.json.decode(portion) for portion in portions_of(rows)]
    assert [len(portion) for portion in portions] == [PORTION_ROWS, PORTION_ROWS, 1]
    assert [row for portion in portions for row in portion] == rows


def test_rows_are_numbered_by_a_portion_size_that_stored_imports_count_on() -> None:
    assert PORTION_ROWS == 100


def test_a_row_is_stored_whatever_it_is() -> None:
    assert portions_of([None, "joe", {"email": 1}]) == [b'[null,"joe",{"email":1}]']
