"""The HTML part of a mail: one column, one button, light and dark.

Mail programs lay out tables and read inline styles; the styles in the head are for those that know media queries
(caniemail.com). Every text is escaped by the function that puts it in, `_text`.
"""

from html import escape as _text
from typing import NamedTuple

from gateway.channels.email_brand import DARK_CARD, LIGHT_CARD, Palette
from gateway.channels.email_content import CODE_CLASS, LINK_CLASS, QUOTE_CLASS, ROW_CLASS
from gateway.channels.message import Brand

_FONT = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_TABLE = 'role="presentation" border="0" cellpadding="0" cellspacing="0"'
_BREAKING = "overflow-wrap:anywhere;word-break:break-word"

MAX_PREHEADER = 140
"""How much of a text mail programs show beside the subject."""

_PADDING = "&#847;&zwnj;&nbsp;" * 60
"""Keeps the rest of the mail out of the preview."""


class Body(NamedTuple):
    """What the HTML part of a mail shows. `content` is safe HTML, everything else is text.

    `button_url` and `image_url` are http or https addresses, "" for none. `reason` says why the user gets the mail.
    """

    title: str
    preheader: str
    content: str
    button_url: str
    button_label: str
    image_url: str
    reason: str
    unsubscribe_url: str
    unsubscribe_label: str
    right_to_left: bool


def document(body: Body, brand: Brand, palette: Palette) -> str:
    """Return the HTML part of a mail."""
    direction = "rtl" if body.right_to_left else "ltr"
    return f"""<!doctype html>
<html dir="{direction}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="x-apple-disable-message-reformatting">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no, url=no">
<title>{_text(body.title)}</title>
<style>{_styles(palette)}</style>
</head>
<body class="page" style="margin:0;padding:0;background:#f4f5f7">
{_preheader(body.preheader)}
<table {_TABLE} width="100%" class="page" style="background:#f4f5f7" dir="{direction}"><tr>
<td class="edge" align="center" style="padding:32px 16px">
<table {_TABLE} width="100%" style="max-width:560px;font-family:{_FONT}">
<tr><td class="brand" style="padding:0 4px 20px">{_brand(brand, palette)}</td></tr>
<tr><td class="card" style="background:{LIGHT_CARD};border:1px solid #e3e6ea;border-radius:14px;padding:32px">
<h1 class="title" style="margin:0;font-size:22px;line-height:1.3;font-weight:700;color:#111827;{_BREAKING}">\
{_text(body.title)}</h1>
{_image(body.image_url)}\
{_content(body.content)}\
{_button(body, palette)}\
</td></tr>
<tr><td class="foot" style="padding:20px 4px 0;font-size:13px;line-height:1.6;color:#5b6472;{_BREAKING}">
{_footer(body)}
</td></tr>
</table>
</td></tr></table>
</body>
</html>
"""


def _styles(palette: Palette) -> str:
    dark = _dark_rules(palette)
    return f"""
:root{{color-scheme:light dark;supported-color-schemes:light dark}}
body{{width:100%!important;-webkit-text-size-adjust:100%}}
.text>*:last-child{{margin-bottom:0!important}}
@media (max-width:480px){{
.edge{{padding:20px 10px!important}}
.card{{padding:24px 20px!important}}
.button{{width:100%!important}}
.button a{{display:block!important}}
}}
@media (prefers-color-scheme:dark){{
{_rules(dark)}
}}
{_rules(dark, "[data-ogsc] ")}
"""


def _dark_rules(palette: Palette) -> dict[str, str]:
    """Return the declarations of the dark look by class."""
    return {
        "page": "background:#111318",
        "card": f"background:{DARK_CARD};border-color:#2c313b",
        "title": "color:#f3f4f6",
        "name": "color:#f3f4f6",
        "text": "color:#d3d7de",
        "foot": "color:#9ba3b0",
        "leave": "color:#9ba3b0",
        "accent": f"background:{palette.dark_accent.ground};color:{palette.dark_accent.text}",
        LINK_CLASS: f"color:{palette.dark_link}",
        QUOTE_CLASS: "border-color:#4b5563",
        CODE_CLASS: "background:#111318",
        ROW_CLASS: "border-color:#3b424e",
        # Logos are drawn for a light ground.
        "logo": "background:#ffffff;padding:6px 8px;border-radius:8px",
    }


def _rules(declarations: dict[str, str], prefix: str = "") -> str:
    """Return rules that come before inline styles. Outlook has no media query for the dark look, but a prefix."""
    return "\n".join(
        f"{prefix}.{name}{{{each.replace(';', '!important;')}!important}}" for name, each in declarations.items()
    )


def _preheader(text: str) -> str:
    if not text:
        return ""
    hidden = "display:none;max-height:0;overflow:hidden;opacity:0;font-size:1px;line-height:1px;color:transparent"
    return f'<div style="{hidden}" aria-hidden="true">{_text(text)}{_PADDING}</div>'


def _brand(brand: Brand, palette: Palette) -> str:
    if brand.logo_url:
        style = "display:block;border:0;height:32px;max-width:220px;font-size:18px;font-weight:700"
        return f'<img class="logo" src="{_text(brand.logo_url)}" alt="{_text(brand.name)}" height="32" style="{style}">'
    initial = next((letter for letter in brand.name if letter.isalnum()), "")
    square = (
        f"width:32px;height:32px;border-radius:8px;background:{palette.accent.ground};color:{palette.accent.text};"
        "font-size:17px;font-weight:700;line-height:32px;text-align:center"
    )
    sign = f'<div class="accent" style="{square}">{_text(initial.upper())}</div>'
    left = f'<td width="42" valign="top" style="width:42px">{sign}</td>' if initial else ""
    name = f"padding:4px 0;font-size:16px;line-height:1.5;font-weight:600;color:#111827;{_BREAKING}"
    return f'<table {_TABLE}><tr>{left}<td class="name" style="{name}">{_text(brand.name)}</td></tr></table>'


def _image(url: str) -> str:
    if not url:
        return ""
    style = "display:block;width:100%;max-width:100%;height:auto;border:0;border-radius:10px;margin:16px 0 0"
    return f'<img src="{_text(url)}" alt="" style="{style}">\n'


def _content(content: str) -> str:
    if not content:
        return ""
    style = f"margin-top:12px;font-size:16px;line-height:1.6;color:#374151;{_BREAKING}"
    return f'<div class="text" style="{style}">{content}</div>\n'


def _button(body: Body, palette: Palette) -> str:
    if not body.button_url:
        return ""
    ground = palette.accent.ground
    style = (
        f"display:inline-block;padding:13px 26px;font-size:16px;line-height:1.25;font-weight:600;text-align:center;"
        f"text-decoration:none;color:{palette.accent.text};border-radius:9px"
    )
    return (
        f'<table {_TABLE} class="button" style="margin-top:24px"><tr><td class="accent" align="center" '
        f'bgcolor="{ground}" style="border-radius:9px;background:{ground}"><a class="accent" target="_blank" '
        f'href="{_text(body.button_url)}" style="{style}">{_text(body.button_label)}</a></td></tr></table>\n'
    )


def _footer(body: Body) -> str:
    # These sentences are English, also below a text from right to left.
    reason = f'<p style="margin:0"><span dir="ltr">{_text(body.reason)}</span></p>'
    if not body.unsubscribe_url:
        return reason
    style = "color:#5b6472;text-decoration:underline"
    link = f'<a class="leave" dir="ltr" href="{_text(body.unsubscribe_url)}" style="{style}">'
    return f'{reason}\n<p style="margin:6px 0 0">{link}{_text(body.unsubscribe_label)}</a></p>'
