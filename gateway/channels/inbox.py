"""The in-app inbox: tokens with which its live connection is opened, and the look of widgets."""

import re

from gateway.channels.email_brand import COLOR_PATTERN
from gateway.channels.integration_kind import InstallationKind, IntegrationKind
from gateway.channels.token_kind import TokenKind
from gateway.domain.objects import Object
from gateway.domain.params import FormedText, Param, Real, Text

MIN_LENGTH = 64
MAX_LENGTH = 1024

_PATTERN = r"[!-\-/-~]*(\.[!-\-/-~]*)?"
"""Printable ASCII, which passes through headers and queries. A JWT has two dots, and is verified as a JWT."""

TOKEN = TokenKind(
    path="in_app/inbox",
    title="inbox",
    component="Inbox",
    fields={
        "token": FormedText(
            required=True,
            min_length=MIN_LENGTH,
            max_length=MAX_LENGTH,
            pattern=_PATTERN,
            form="printable ASCII without spaces and with at most one dot",
            description="A random text that your client has generated. It opens live connections of the user. It is "
            "not stored, only a digest of it, and responses show its last four characters.",
        ),
        "connection_id": Text(max_length=255, description="Your client's name for its connection."),
    },
    identities=(("token",),),
    example={"token": "nMZ3kQ7TsVb2Rw9YxLd5" * 4, "connection_id": "tab-1"},
    credential="token",
)


_TEXT = Text(required=True, max_length=255)


def _style(*names: str, **others: Param) -> Object:
    return Object(fields={**dict.fromkeys(names, _TEXT), **others})


def _required(style: Object) -> Object:
    return Object(required=True, fields=style.fields)


_CHANGED = _style("backgroundColor", "textColor", hover=_style("backgroundColor"), state=_style("color"))

_THEME = Object(
    description="Colours, fonts and sizes, as CSS has them.",
    fields={
        "banner": _style("backgroundColor", "fontSize", "textColor", backgroundOpacity=Real(least=0, most=1)),
        "dialog": _style("accentColor", "backgroundColor", "textColor"),
        "footer": _style("backgroundColor", "borderRadius", "fontSize", "textColor"),
        "header": _style("backgroundColor", "borderRadius", "fontFamily", "fontSize", "textColor"),
        "icon": _style("borderColor", "width"),
        "notification": Object(
            fields={
                "default": _required(
                    _style(
                        *("backgroundColor", "borderRadius", "fontFamily", "fontSize", "margin", "textColor"),
                        hover=_style("backgroundColor"),
                        state=_style("color"),
                    )
                ),
                "unread": _required(_CHANGED),
                "unseen": _required(_CHANGED),
            }
        ),
        "unseenBadge": _style("backgroundColor"),
    },
)

CONFIG = Object(
    required=True,
    name="InboxWidgetConfig",
    fields={
        "images": Object(
            fields={"emptyInboxUrl": Text(required=True, max_length=2048, description="Shown in an empty inbox.")},
        ),
        "locale": FormedText(min_length=2, max_length=35, description="A language tag such as `en-GB` (RFC 5646)."),
        "theme": _THEME,
    },
)

_BRAND = Object(
    description="How mails to your users look. This is an extension of this gateway.",
    fields={
        "name": Text(
            max_length=100, filled=True, description="The sender that mails show, by default your project's name."
        ),
        "logo_url": FormedText(
            max_length=2048,
            pattern=r"https://[!#-;=?-~]+",
            form="an https address",
            description="A logo for a light ground. Mails show it 32 pixels high; in the dark look it stands on white.",
        ),
        "color": FormedText(
            max_length=7,
            pattern=COLOR_PATTERN,
            form="a colour such as #4f46e5",
            description="The colour of buttons and links, by default that of the widget's header.",
        ),
    },
)

INSTALLATION = InstallationKind(
    name="inbox",
    title="Inbox",
    config=CONFIG,
    example={"images": None, "locale": "de", "theme": None},
    nullable=("images", "locale", "theme"),
)

INTEGRATION = IntegrationKind(
    name="inbox",
    title="Inbox",
    config=Object(required=True, name="InboxProjectConfig", fields={**CONFIG.fields, "brand": _BRAND}),
    example={
        "brand": {"name": "Shop", "logo_url": "https://example.com/logo.png", "color": "#4f46e5"},
        "images": {"emptyInboxUrl": "https://example.com/empty.png"},
        "locale": "en",
        "theme": {
            "header": {
                "backgroundColor": "#4f46e5",
                "borderRadius": "8px",
                "fontFamily": "inherit",
                "fontSize": "15px",
                "textColor": "white",
            },
            "unseenBadge": {"backgroundColor": "#dc2626"},
        },
    },
    nullable=("images", "locale", "theme"),
)


def is_token(text: str) -> bool:
    """Return whether a text has the form of an inbox token."""
    return MIN_LENGTH <= len(text) <= MAX_LENGTH and re.fullmatch(_PATTERN, text) is not None
