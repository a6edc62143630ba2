"""Sealed values are readable with their key and in their place only."""

import base64

from gateway.store.sealing import Sealer


def test_a_sealed_value_is_opened_by_its_key_in_its_place() -> None:
    sealed = Sealer("key").seal(b"secret", "7 github")
    assert Sealer("key").open(sealed, "7 github") == b"secret"
    assert b"secret" not in base64.b64decode(sealed)


def test_it_is_not_opened_by_another_key_in_another_place_or_after_a_change() -> None:
    sealed = Sealer("key").seal(b"secret", "7 github")
    assert Sealer("other").open(sealed, "7 github") is None
    for place in ("8 github", "7 stripe", ""):
        assert Sealer("key").open(sealed, place) is None
    for changed in (sealed[:-4] + "AAA=", sealed[:8], "", "\u00e4", "A"):
        assert Sealer("key").open(changed, "7 github") is None


def test_the_same_value_is_sealed_differently_each_time() -> None:
    sealer = Sealer("key")
    assert sealer.seal(b"secret", "x") != sealer.seal(b"secret", "x")
