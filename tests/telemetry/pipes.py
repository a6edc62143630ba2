"""A pipe that a test writes log lines to."""

import contextlib
import os


class Pipe:
    """A pipe, and the bytes that were read from it."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.text = b""

    def read_all(self) -> bytes:
        """Read what there is, and return everything that was read so far."""
        os.set_blocking(self.reading, False)
        try:
            while data := os.read(self.reading, 1 << 20):
                self.text += data
        except BlockingIOError:
            pass
        return self.text

    def close(self) -> None:
        """Close both ends."""
        for descriptor in (self.reading, self.writing):
            with contextlib.suppress(OSError):
                os.close(descriptor)
