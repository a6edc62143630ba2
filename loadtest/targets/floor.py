"""The floors: the cost of only sending the bytes."""

import os
import shutil
import subprocess
import sys

from loadtest.clients import LineClient, Make, request_head
from loadtest.journal import payload
from loadtest.publisher import Pool
from loadtest.targets.base import SERVERS, MissingError, StartedTarget, can_connect, made_of

RAW = "raw"


class FloorTarget(StartedTarget):
    """`socket.send` in a loop, in plain Python."""

    name = "floor (Python send)"
    transports = (RAW,)

    def command(self) -> list[str]:
        """Return the command of the loop."""
        return [sys.executable, str(SERVERS / "floor.py"), str(self.port)]

    async def is_ready(self) -> bool:
        """Return whether the floor accepts publishers. A probe of the other port would count as a receiver."""
        return await can_connect(self.host, self.port + 1)

    def make(self, transport: str) -> Make:
        """Return a function that creates clients without a request."""
        return made_of(LineClient, lambda user: b"", self.host, self.port)

    def request(self, user: str, number: int, size: int = 200) -> bytes:
        """Return the request with the message for all connections. The terminator is part of its size."""
        body = payload(number, size - 2) + b"\n\n"
        return request_head("POST", self.host, "/", {"Content-Length": str(len(body))}) + body

    def pool(self) -> Pool:
        """Return a pool of connections to the port for publishers."""
        return Pool(self.host, self.port + 1)


class AsyncioFloorTarget(FloorTarget):
    """`transport.write` in a loop, on uvloop."""

    name = "floor (asyncio write)"

    def command(self) -> list[str]:
        """Return the command of the loop."""
        return [sys.executable, str(SERVERS / "floor_asyncio.py"), str(self.port)]


class CFloorTarget(FloorTarget):
    """send(2) in a loop, in C."""

    name = "floor (C send)"

    def command(self) -> list[str]:
        """Compile the loop and return its command. Raise MissingError."""
        compiler = shutil.which(os.environ.get("CC", "gcc"))
        if compiler is None:
            raise MissingError("a C compiler: `apt-get install gcc libc6-dev`")
        binary = self.directory / "floor"
        done = subprocess.run(
            [compiler, "-O2", "-o", str(binary), str(SERVERS / "floor.c")], capture_output=True, text=True
        )
        if done.returncode != 0:
            raise MissingError(
                f"a C compiler that works: `apt-get install gcc libc6-dev` ({done.stderr[:200].strip()})"
            )
        return [str(binary), str(self.port)]
