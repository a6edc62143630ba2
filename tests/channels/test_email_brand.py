"""How a project looks in mails."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.email_brand import DARK_CARD, DEFAULT_COLOR, LIGHT_CARD, Palette, brand_of, contrast
from gateway.channels.message import Brand


def test_a_project_without_a_brand_has_its_title() -> None:
    assert brand_of("Shop", None) == brand_of("Shop", {"brand": None, "theme": None}) == Brand(name="Shop")


def test_the_saved_brand_is_used_and_the_header_of_the_widget_gives_the_colour_otherwise() -> None:
    theme = {"header": {"backgroundColor": "#4f46e5"}}
    saved = {"name": "Orchard", "logo_url": "https://x.example/logo.png", "color": "#0f766e"}
    assert brand_of("Shop", {"brand": saved, "theme": theme}) == Brand(
        name="Orchard", logo_url="https://x.example/logo.png", color="#0f766e"
    )
    assert brand_of("Shop", {"theme": theme}).color == "#4f46e5"
    assert brand_of("Shop", {"theme": {"header": {"backgroundColor": "red;}"}}}).color == ""


@pytest.mark.parametrize(("first", "second", "ratio"), [("#000", "#fff", 21), ("#777777", "#ffffff", 4.48)])
def test_contrast_is_that_of_the_guidelines(first: str, second: str, ratio: float) -> None:
    assert contrast(first, second) == pytest.approx(ratio, abs=0.01)


def test_a_readable_colour_is_not_changed() -> None:
    assert Palette.of("#0f766e").accent == ("#0f766e", "#ffffff")
    assert Palette.of("#0f766e").link == "#0f766e"
    assert Palette.of("purple") == Palette.of("") == Palette.of(DEFAULT_COLOR)


@given(st.from_regex("#([0-9a-f]{3}|[0-9a-f]{6})", fullmatch=True))
def test_every_colour_gives_texts_that_can_be_read_and_buttons_that_can_be_seen(color: str) -> None:
    palette = Palette.of(color)
    for accent, link, card in (
        (palette.accent, palette.link, LIGHT_CARD),
        (palette.dark_accent, palette.dark_link, DARK_CARD),
    ):
        assert contrast(accent.ground, accent.text) >= 4.2
        assert contrast(accent.ground, card) >= 1.25
        assert contrast(link, card) >= 4.5
