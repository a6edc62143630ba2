"""Microsoft Teams: a workflow, and a connector of the former kind. Both take cards of 28 KB."""

from typing import Any

from tests.stubs.http_stub import HttpStub, Received, Reply

MAX_BYTES = 28 * 1024
CONNECTOR_429 = (
    "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId "
    "tcid=0,server=DM3PEPF00000001,cv=x"
)
"""What a connector responds, with status 200, when Teams throttles it."""

_ELEMENTS = ("TextBlock", "Image")
_ACTIONS = ("Action.OpenUrl",)


class TeamsStub(HttpStub):
    """Teams. `cards` has what a channel shows. A path below `/webhookb2` is a connector's."""

    def __init__(self) -> None:
        super().__init__()
        self.cards: list[dict[str, Any]] = []

    def reply(self, request: Received) -> Reply:
        """Check a card, and post it."""
        if len(request.body) > MAX_BYTES:
            return Reply(413)
        match request.json:
            case {"type": "message", "attachments": [{"contentType": kind, "content": card}]} if (
                kind == "application/vnd.microsoft.card.adaptive" and _is_card(card)
            ):
                self.cards.append(card)
                is_connector = request.path.startswith("/webhookb2")
                run = {"x-ms-workflow-run-id": f"0858{len(self.cards)}"}
                return Reply(200, "1") if is_connector else Reply(202, headers=run)
        return Reply(400)


def _is_card(card: dict[str, Any]) -> bool:
    actions = all(each["type"] in _ACTIONS for each in card.get("actions", []))
    elements = all(each["type"] in _ELEMENTS for each in card["body"])
    return actions and elements and (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
