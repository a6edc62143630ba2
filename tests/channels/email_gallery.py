"""Mails as pictures, for people: `python -m tests.channels.email_gallery DIRECTORY` renders them in Chromium.

Each mail is rendered at the width of a telephone and of a window, light and dark.
"""

import sys
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

from gateway.channels.email_message import Mail, mail_of
from gateway.channels.message import Brand, Message
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.preferences import Channel

CHROMIUM = Path("/usr/bin/chromium")
WIDTHS = (320, 640)

_LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="120" height="32"><circle cx="16" cy="16" r="14" fill="#0f766e"/>'
    '<text x="38" y="22" font-family="sans-serif" font-size="18" font-weight="700" fill="#10302d">Orchard</text></svg>'
)
LOGO = f"data:image/svg+xml,{quote(_LOGO)}"

RICH = """
<p>Hello Ada,</p>
<p>your order <b>#4711</b> has <i>left the warehouse</i>. <a href="https://shop.example.com/track">Follow it</a>.</p>
<h2>What is in it</h2>
<table><tr><th>Item</th><th>Price</th></tr><tr><td>Apples, 2 kg</td><td>5.80 €</td></tr>
<tr><td>Pears</td><td>3.20 €</td></tr></table>
<blockquote>Leave it with the neighbours, please.</blockquote>
<ul><li>Signed parcels need somebody at home.</li><li>The others do not.</li></ul>
<pre>parcel 00340434161094021501
  state = "on its way"</pre>
<script>alert("never")</script><img src="http://insecure.example.com/x.png" onerror="alert(1)">
"""


def message(**changes: object) -> Message:
    """Return a message for a mail, with some fields changed."""
    fields: dict[str, object] = {
        "id": UUID("0b7e1c52-5a39-5d7c-9a54-3f2f6d0b4f11"),
        "project_id": ProjectId("7"),
        "user_id": UserId("u-1"),
        "notification_id": "019ad4c5-1e2b-7000-8000-000000000001",
        "channel": Channel.EMAIL,
        "title": "Your order is on its way",
        "content": "It left the warehouse this morning.\n\nExpect it between 10 and 12 o'clock tomorrow.",
        "action_url": "https://shop.example.com/orders/4711",
        "category": "orders",
        "sent_at": 1_795_000_000,
        "expires_at": 1_795_086_400,
        "destination": {"email": "ada@example.com"},
        "config": {"from": {"email": "shop@example.com", "name": "Orchard"}},
        "config_id": "c-1",
        "brand": Brand(name="Orchard", logo_url="", color="#0f766e"),
        "unsubscribe_url": "https://inbox.example.com/unsubscribe/token",
    }
    return Message(**{**fields, **changes})  # type: ignore[arg-type] # the fields are those of Message


SAMPLES = {
    "plain": message(),
    "logo": message(brand=Brand(name="Orchard", logo_url=LOGO, color="#0f766e"), content=RICH),
    "long": message(
        title="The meeting about Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft "
        "has moved, and <b>all</b> participants must confirm before Friday evening & answer the survey",
        content="https://example.com/" + "a-very-long-path-" * 8,
        brand=Brand(name="Ministry of Silly Walks, Department of Long Names and Corridors", color="#fde047"),
        unsubscribe_url="",
    ),
    "rtl": message(
        title="طلبك في الطريق إليك",
        content="غادر الطلب المستودع هذا الصباح.\n\nتوقع وصوله غدا بين الساعة 10 و 12.",
        brand=Brand(name="بستان", color="#b91c1c"),
    ),
    "short": message(
        title="Deploy finished", content=None, category=None, action_url=None, brand=Brand(name="ci", color="#111111")
    ),
}


def rendered(sample: Message) -> Mail:
    """Return the mail of a sample."""
    mail = mail_of(sample)
    assert isinstance(mail, Mail), mail
    return mail


def render_all(directory: Path) -> None:
    """Write a picture of each sample in each look."""
    from playwright.sync_api import sync_playwright

    directory.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        for name, sample in SAMPLES.items():
            for width in WIDTHS:
                for look in ("light", "dark"):
                    page = browser.new_page(viewport={"width": width, "height": 400}, color_scheme=look)
                    page.set_content(rendered(sample).html)
                    page.screenshot(path=directory / f"{name}-{width}-{look}.png", full_page=True)
                    page.close()
        browser.close()


if __name__ == "__main__":
    render_all(Path(sys.argv[1]))
