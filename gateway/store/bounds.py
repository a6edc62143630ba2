"""What a store raises when something would grow beyond its bound."""


class TooManyError(Exception):
    """A user would have more of something than fits. Nothing was written. `what` says of what, in the plural."""

    def __init__(self, what: str, most: int):
        super().__init__(f"more than {most} {what}")
        self.what = what
        self.most = most
