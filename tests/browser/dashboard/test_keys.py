"""Keys: the secret, its rotation, tokens, signing keys, and who may call from a browser."""

import re

from playwright.sync_api import expect

from tests.browser.dashboard.dashboard import Dashboard
from tests.browser.dashboard.instance import OWNER, Instance

HIDDEN = "••••"


def test_an_admin_reveals_and_rotates_the_secret(owner: Dashboard, instance: Instance) -> None:
    project = instance.api(OWNER, "POST", "projects", json={"name": "Rotated"}).json()
    secret = instance.api(OWNER, "POST", f"projects/{project['id']}/secret").json()["api_secret"]
    page = owner.page
    owner.goto(f"projects/{project['id']}/keys")
    expect(page.get_by_text(HIDDEN)).to_be_visible()
    assert secret not in page.content()
    owner.button("Reveal").click()
    expect(page.get_by_text(secret)).to_be_visible()
    owner.button("Hide").click()
    expect(page.get_by_text(secret)).to_have_count(0)

    owner.button("Rotate").click()
    owner.field("The old secret ends").select_option("3600")
    owner.drawer.get_by_role("button", name="Rotate").click()
    expect(page.locator(".countdown")).to_have_text(re.compile(r"00:59:\d\d"))
    key = {"X-MAGICBELL-API-KEY": project["api_key"]}
    assert page.get_by_text(secret).count() == 0
    old = key | {"X-MAGICBELL-API-SECRET": secret}
    assert instance.backend.get("/v2/integrations", headers=old).status_code == 200
    owner.button("End it now").click()
    owner.drawer.get_by_role("button", name="End the old secret").click()
    expect(page.locator(".countdown")).to_have_count(0)
    assert instance.backend.get("/v2/integrations", headers=old).status_code == 401


def test_tokens_keys_origins_and_proofs_are_administered(owner: Dashboard, instance: Instance) -> None:
    project = instance.api(OWNER, "POST", "projects", json={"name": "Keys"}).json()["id"]
    page = owner.page
    owner.goto(f"projects/{project}/keys")

    owner.button("Issue a token").click()
    owner.field("What it is for").fill("Billing")
    owner.button("Issue").click()
    token = owner.drawer.locator("pre code").inner_text()
    bearer = {"Authorization": f"Bearer {token}"}
    assert instance.backend.get("/v2/integrations", headers=bearer).status_code == 200
    owner.button("Done").click()
    expect(page.get_by_text(token)).to_have_count(0)
    owner.button("Discard Billing").click()
    owner.drawer.get_by_role("button", name="Discard the token").click()
    expect(page.get_by_role("cell", name="Discarded")).to_be_visible()
    assert instance.backend.get("/v2/integrations", headers=bearer).status_code == 401

    owner.button("Add a key").click()
    owner.field("Public key").fill("nothing")
    owner.button("Add").click()
    expect(owner.drawer.get_by_text("Neither a JWK nor a PEM")).to_be_visible()
    jwk = (
        '{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",'
        '"y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}'
    )
    owner.field("Public key").fill(jwk)
    owner.field("Key id optional").fill("mine")
    owner.button("Add").click()
    expect(page.locator(".public-keys")).to_contain_text("mine")
    owner.button("Remove the key mine").click()
    owner.drawer.get_by_role("button", name="Remove the key").click()
    expect(page.locator(".public-keys")).to_have_count(0)

    owner.field("Allowed origins").fill("https://app.example.com")
    owner.button("Save the origins").click()
    expect(owner.toast("The origins are saved").last).to_be_visible()
    proof = page.get_by_role("switch", name="Users must prove who they are")
    proof.click()
    owner.drawer.get_by_role("button", name="Cancel").click()
    expect(proof).to_be_checked()
    proof.click()
    expect(owner.drawer).to_contain_text("can read and change this user's notifications")
    owner.drawer.get_by_role("button", name="Switch the proof off").click()
    expect(page.get_by_text("Anybody who knows a user's id can now read the inbox.")).to_be_visible()
    found = instance.api(OWNER, "GET", f"projects/{project}").json()
    assert (found["allowed_origins"], found["hmac_enabled"]) == (["https://app.example.com"], False)

    owner.field("External id or email").fill("Grace@example.com")
    page.get_by_role("tab", name="Ruby").click()
    expect(page.get_by_text("user = 'grace@example.com'")).to_be_visible()
    expect(page.get_by_text('user-email="Grace@example.com"')).to_be_visible()


def test_a_viewer_does_not_find_keys(viewer: Dashboard) -> None:
    viewer.open("keys")
    expect(viewer.main.get_by_text("Your role does not allow this")).to_be_visible()
    assert not [each for each in viewer.requests if "secret" in each or "jwt" in each]
