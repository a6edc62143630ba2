"""The floors, and the peers by their names in `--peers`."""

from loadtest.targets.base import Target
from loadtest.targets.floor import AsyncioFloorTarget, CFloorTarget, FloorTarget
from loadtest.targets.peers import ChannelsTarget, NchanTarget, PythonSocketIoTarget, SocketIoTarget, StarletteTarget

FLOORS: list[type[FloorTarget]] = [FloorTarget, CFloorTarget, AsyncioFloorTarget]

PEERS: dict[str, type[Target]] = {
    "nchan": NchanTarget,
    "socket.io": SocketIoTarget,
    "starlette": StarletteTarget,
    "python-socketio": PythonSocketIoTarget,
    "channels": ChannelsTarget,
}
