"""Signing in and out, and the way back to the address that was asked for."""

from playwright.sync_api import expect

from tests.browser.dashboard.dashboard import Dashboard
from tests.browser.dashboard.instance import PASSWORD


def test_somebody_signs_in_and_is_where_the_address_led(guest: Dashboard) -> None:
    guest.open("users")
    expect(guest.heading("Sign in")).to_be_visible()
    guest.field("Email").fill("editor@example.com")
    guest.field("Password").fill("not the password")
    guest.page.keyboard.press("Enter")
    expect(guest.page.get_by_role("alert")).to_contain_text("The email or the password is incorrect")
    guest.field("Password").fill(PASSWORD)
    guest.page.keyboard.press("Enter")
    expect(guest.heading("Users")).to_be_visible()
    guest.wait()
    expect(guest.main).to_contain_text("Ada Lovelace")
    assert all(line.startswith("401 ") for line in guest.refused)
    guest.refused.expect("^401 ")
    guest.errors.expect()  # the browser logs each refusal
