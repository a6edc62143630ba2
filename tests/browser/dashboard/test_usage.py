"""Usage: figures, charts with tables, and CSV."""

import csv
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.dashboard.dashboard import Dashboard


def test_usage_shows_what_was_sent_and_saves_it_as_csv(viewer: Dashboard) -> None:
    viewer.open("usage")
    expect(viewer.main.locator(".stat", has_text="Active users this month")).to_contain_text("±0.81%")
    expect(viewer.main.get_by_role("row", name="Email")).to_be_visible()
    expect(viewer.main.get_by_role("row", name="Total In the memory of Redis")).to_contain_text("kB")
    with viewer.page.expect_download() as download:
        viewer.button("CSV").click()
    *_, month = csv.DictReader(Path(download.value.path()).read_text().splitlines())
    assert month["period"] == f"{datetime.now(UTC):%Y-%m}"
    assert int(month["sends"]) >= 4
    assert int(month["stored"]) >= 8
    assert int(month["email_ended"]) >= 6

    viewer.page.get_by_role("tab", name="By day").click()
    chart = viewer.main.locator(".chart", has_text="Stored")
    chart.get_by_text("Show as a table").click()
    expect(chart.locator("tbody tr")).to_have_count(30)
    expect(chart.locator("tbody tr").first).to_contain_text(f"{int(month['stored']):,}")
