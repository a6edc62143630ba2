"""How a project looks in mails: its name, its logo, and colours that people can read.

A project saves them as `brand` of the `inbox` integration. Without a colour there, that of the widget's header is used.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from gateway.channels.message import Brand

COLOR_PATTERN = r"#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})"

DEFAULT_COLOR = "#4f46e5"
"""The colour of a project that has saved none."""

LIGHT_CARD, DARK_CARD = "#ffffff", "#1b1e25"
"""What texts stand on, in the light and in the dark look."""

_INK, _PAPER = "#111827", "#ffffff"

_READABLE = 4.5
"""The least contrast of a text (WCAG 2.2, 1.4.3)."""

_DISTINCT = 1.25
"""The least contrast of a button with the card, chosen by looking at yellow on white and black on the dark card."""


def brand_of(title: str, inbox: Mapping[str, Any] | None) -> Brand:
    """Return the look of a project. `title` is its name, and `inbox` the configuration of its `inbox` integration."""
    saved = inbox or {}
    own: Mapping[str, Any] = saved.get("brand") or {}
    header: Mapping[str, Any] = (saved.get("theme") or {}).get("header") or {}
    color = own.get("color") or header.get("backgroundColor")
    return Brand(
        name=own.get("name") or title, logo_url=own.get("logo_url") or "", color=str(color) if _is_hex(color) else ""
    )


def _is_hex(color: Any) -> bool:
    return isinstance(color, str) and re.fullmatch(COLOR_PATTERN, color) is not None


class _Rgb(NamedTuple):
    red: int
    green: int
    blue: int

    @classmethod
    def read(cls, color: str) -> "_Rgb":
        digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
        return cls(*bytes.fromhex(digits))

    @property
    def luminance(self) -> float:
        """Return the relative luminance, 0 for black to 1 for white (WCAG 2.2, "relative luminance")."""
        parts = [part / 255 for part in self]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def mixed(self, other: "_Rgb", share: float) -> "_Rgb":
        return _Rgb(*(round(own + (part - own) * share) for own, part in zip(self, other, strict=True)))

    def __str__(self) -> str:
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((_Rgb.read(first).luminance, _Rgb.read(second).luminance))
    return (lighter + 0.05) / (darker + 0.05)


class Accent(NamedTuple):
    """A ground in the colour of the project, and the colour of a text on it."""

    ground: str
    text: str

    @classmethod
    def on(cls, card: str, color: str) -> "Accent":
        """Return the accent that is nearest to a colour, and distinct from the card."""
        ground = _distinct(color, card, _DISTINCT)
        # White is preferred where both can be read: people expect it on the usual saturated colours.
        on_ink, on_paper = contrast(ground, _INK), contrast(ground, _PAPER)
        return cls(ground, _PAPER if on_paper >= min(_READABLE, on_ink) else _INK)


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours that follow from that of a project: accents and links, in the light and in the dark look."""

    accent: Accent
    dark_accent: Accent
    link: str
    dark_link: str

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, color: str) -> "Palette":
        """Return the palette of a colour. What is no hexadecimal colour becomes the default."""
        chosen = str(_Rgb.read(color if _is_hex(color) else DEFAULT_COLOR))
        return cls(
            accent=Accent.on(LIGHT_CARD, chosen),
            dark_accent=Accent.on(DARK_CARD, chosen),
            link=_distinct(chosen, LIGHT_CARD, _READABLE),
            dark_link=_distinct(chosen, DARK_CARD, _READABLE),
        )


def _distinct(color: str, ground: str, least: float) -> str:
    """Return the nearest mixture of a colour with ink or paper that has at least a contrast with a ground."""
    towards = _INK if ground == LIGHT_CARD else _PAPER
    mixtures = (str(_Rgb.read(color).mixed(_Rgb.read(towards), tenth / 10)) for tenth in range(11))
    return next(each for each in mixtures if contrast(each, ground) >= least)
