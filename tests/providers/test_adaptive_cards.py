"""Teams' cards, read by Microsoft's own library."""

import shutil

import msgspec

from gateway.channels.teams import PROVIDER, card_message
from tests.channels.messages import message_to
from tests.npm import installed, run_script

# The library is built for browsers: as a file of CommonJS it loads in Node too.
SCRIPT = """
const { AdaptiveCard, SerializationContext, Versions } = require("./adaptivecards.cjs");
const context = new SerializationContext(Versions.v1_4);
const card = new AdaptiveCard();
card.parse(input, context);
const problems = card.validateProperties().validationEvents;
output({
  faults: [...Array(context.eventCount).keys()].map((n) => context.getEventAt(n).message),
  problems: problems.map((each) => each.message),
  elements: [...Array(card.getItemCount()).keys()].map((n) => card.getItemAt(n).getJsonTypeName()),
  actions: [...Array(card.getActionCount()).keys()].map((n) => card.getActionAt(n).getJsonTypeName()),
});
"""


def test_a_card_has_nothing_that_the_library_does_not_know() -> None:
    folder = installed("adaptivecards", "3.0.6")
    shutil.copy(folder / "node_modules" / "adaptivecards" / "dist" / "adaptivecards.js", folder / "adaptivecards.cjs")
    destination = {"webhook": {"url": "https://example.com"}}
    body = card_message(message_to(PROVIDER, destination, image_url="https://example.com/parcel.png"))
    assert body is not None
    card = msgspec.json.decode(body)["attachments"][0]["content"]
    assert run_script(folder, SCRIPT, card) == {
        "faults": [],
        "problems": [],
        "elements": ["TextBlock", "TextBlock", "Image", "TextBlock"],
        "actions": ["Action.OpenUrl"],
    }
    unknown = {**card, "body": [*card["body"], {"type": "Bogus"}]}
    assert run_script(folder, SCRIPT, unknown)["faults"]
