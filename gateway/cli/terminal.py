"""Text of others on the operator's terminal."""


def printable(text: str) -> str:
    """Return a text in which no character controls a terminal, except the ends of lines.

    Reasons of failures are written by providers, and names in reports by whoever can write to the store.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in text)
