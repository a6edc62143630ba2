"""The page behind the unsubscribe links of emails, and the one click of mail programs (RFC 8058)."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from starlette.responses import HTMLResponse, Response

from gateway.api.core.call import PUBLIC, PublicCall
from gateway.api.core.operation import Operation
from gateway.api.core.query import Flag
from gateway.api.core.schema import ResponseSpec
from gateway.auth.unsubscribe_links import PATH, UnsubscribeLinks, Unsubscription
from gateway.channels.email_brand import brand_of
from gateway.channels.inbox import INTEGRATION
from gateway.domain.guard import UserDeletedError
from gateway.domain.preferences import Channel, label_of
from gateway.domain.principal import User
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.store.delivery_configs import DeliveryConfigStore
from gateway.store.errors import TooManyError
from gateway.store.event_log import Moment
from gateway.store.integrations import IntegrationStore
from gateway.store.preferences import PreferenceStore
from gateway.store.project_events import ProjectEvents
from gateway.store.projects import ProjectStore

_STYLE = """
:root{color-scheme:light dark}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:#f4f5f7;color:#374151;
font:16px/1.6 -apple-system,BlinkMacSystemFont,"Segoe UI",Roboto,Helvetica,Arial,sans-serif}
main{box-sizing:border-box;width:min(440px,calc(100vw - 32px));padding:32px;background:#fff;border:1px solid #e3e6ea;
border-radius:14px;overflow-wrap:anywhere}
h1{margin:0 0 12px;font-size:20px;line-height:1.3;color:#111827}
p{margin:0}
button{margin-top:24px;padding:12px 24px;border:0;border-radius:9px;background:#111827;color:#fff;font:inherit;
font-weight:600;cursor:pointer}
button.quiet{padding:11px 23px;border:1px solid #c4cad3;background:transparent;color:#374151}
button:focus-visible{outline:3px solid #6366f1;outline-offset:2px}
@media (prefers-color-scheme:dark){
body{background:#111318;color:#d3d7de}
main{background:#1b1e25;border-color:#2c313b}
h1{color:#f3f4f6}
button{background:#f3f4f6;color:#111318}
button.quiet{border-color:#4b5563;background:transparent;color:#d3d7de}
}
"""

_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # the address of the page is the credential
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}

PAGE = ResponseSpec(200, "The page", media_type="text/html")
UNKNOWN = ResponseSpec(404, "The gateway has not made this link, or the user is gone: a page", media_type="text/html")
UNDO = (Flag("undo", "`true`: switch the emails on again. The page that confirms the end has a button for it."),)

TOO_MANY = ResponseSpec(422, "The user has preferences for too many categories: a page", media_type="text/html")
REQUIRED = ResponseSpec(403, "The project requires this category: a page", media_type="text/html")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsubscribeResource:
    """The operations behind unsubscribe links, with the stores that they use."""

    links: UnsubscribeLinks
    projects: ProjectStore
    integrations: IntegrationStore
    configs: DeliveryConfigStore
    preferences: PreferenceStore
    events: ProjectEvents
    now: Callable[[], Moment]

    async def ask(self, call: PublicCall) -> Response:
        """Return a page that asks whether the emails of a category shall end. It changes nothing.

        The link is in the footer of emails. Mail programs and virus scanners may open it, so a button confirms it.
        """
        found = self.links.read(call.text("token"))
        name = await self._name(found)
        if found is None or name is None:
            return _unknown()
        about = _about(found, name)
        if await self._is_required(found):
            return _required(about)
        form = '<form method="post"><button>Unsubscribe</button></form>'
        return _page("Unsubscribe?", f"You will get no more {about}. Everything else stays as it is.", form)

    async def unsubscribe(self, call: PublicCall) -> Response:
        """Switch off the emails of a category for a user, as the link says. Repeating it changes nothing.

        This is the one click of RFC 8058, which mail programs send, and the button of the page. It changes the user's
        preference for the channel `email` of the category. A category whose delivery config is `required` keeps it.
        With `undo=true`, the emails are switched on again.
        """
        is_undone = bool(call.query()["undo"])
        found = self.links.read(call.text("token"))
        name = await self._name(found)
        if found is None or name is None:
            return _unknown()
        about = _about(found, name)
        if await self._is_required(found):
            return _required(about)
        try:
            await self._switch(found, is_on=is_undone)
        except UserDeletedError:
            return _unknown()
        except TooManyError:
            text = f"You have preferences for too many categories. Ask {escape(name)} to end these emails."
            return _page("This did not work", text, status=422)
        if is_undone:
            return _page("Subscribed again", f"You will get {about} as before.")
        # A click by mistake is easily undone.
        form = '<form method="post" action="?undo=true"><button class="quiet">Undo</button></form>'
        return _page("Unsubscribed", f"You will get no more {about}.", form)

    async def _switch(self, found: Unsubscription, *, is_on: bool) -> None:
        user = User(found.project_id, found.user_id, None, None)
        switches = {found.category: {Channel.EMAIL: is_on}}
        before = await self.preferences.read(user)
        if await self.preferences.update(user, switches, None, self.now()) == before:
            return  # a mail program has repeated it
        event = ProjectEvent(ProjectEventType.PREFERENCES_CHANGED, user.id, {"categories": 1})
        await self.events.write(found.project_id, event)

    async def _name(self, found: Unsubscription | None) -> str | None:
        """Return the name that a project has in its mails, None if it does not exist."""
        project = await self.projects.by_id(found.project_id) if found is not None else None
        if project is None:
            return None
        look = await self.integrations.cached(project.id, INTEGRATION)
        return brand_of(project.name, look.plain if look is not None else None).name

    async def _is_required(self, found: Unsubscription) -> bool:
        configs = await self.configs.of_project(found.project_id)
        return configs.of_category(found.category).required


def _about(found: Unsubscription, name: str) -> str:
    """Return the emails that a link is about, in words. It is escaped."""
    # Emails without a category end, and those of categories do not.
    about = f" about “{label_of(found.category)}”" if found.category else " of this kind"
    return escape(f"emails{about} from {name}")


def _unknown() -> Response:
    return _page("This link does not work", "Copy the whole link of the email, or use a newer email.", status=404)


def _required(about: str) -> Response:
    return _page("These emails stay on", f"There is no way to switch off {about}: you need them.", status=403)


def _page(title: str, text: str, form: str = "", status: int = 200) -> Response:
    """Return a page. `text` and `form` are HTML."""
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main><h1>{title}</h1><p>{text}</p>{form}</main>"
        "</body></html>",
        status,
        _HEADERS,
    )


_R = UnsubscribeResource

OPERATIONS = [
    Operation(
        "GET",
        f"{PATH}{{token}}",
        PUBLIC,
        _R.ask,
        "Ask before unsubscribing",
        PAGE,
        failures=(UNKNOWN, REQUIRED),
        tag="Deliveries",
    ),
    Operation(
        "POST",
        f"{PATH}{{token}}",
        PUBLIC,
        _R.unsubscribe,
        "Unsubscribe by a link",
        PAGE,
        query=UNDO,
        failures=(UNKNOWN, REQUIRED, TOO_MANY),
        tag="Deliveries",
    ),
]
