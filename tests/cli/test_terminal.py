"""Text of others on the operator's terminal."""

from gateway.cli.terminal import printable


def test_no_text_of_others_controls_the_terminal() -> None:
    assert printable("550 no such user\nJörg") == "550 no such user\nJörg"
    assert printable("550 \x1b]0;title\x07\x1b[2J\r\x9b") == "550 \ufffd]0;title\ufffd\ufffd[2J\ufffd\ufffd"
