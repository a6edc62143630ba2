"""The people of the demo. Each visitor has an Ada and a Grace, with two devices each."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

PEOPLE: Mapping[str, tuple[str, str]] = {"ada": ("Ada", "Lovelace"), "grace": ("Grace", "Hopper")}
"""First and last names by the word that requests use."""


class Device(NamedTuple):
    """A device of a person, and the transport of its connection."""

    person: str
    kind: str
    transport: str

    @property
    def id(self) -> str:
        """The word by which requests name the device. The device's tokens have it as their name."""
        return f"{self.person}-{self.kind}"


DEVICES: Mapping[str, Device] = {
    device.id: device
    for person in PEOPLE
    for device in (Device(person, "laptop", "websocket"), Device(person, "phone", "sse"))
}


def external_id(person: str, visitor: str) -> str:
    """Return the external id of a visitor's person."""
    return f"{person}-{visitor}"


def external_ids(visitor: str) -> Sequence[str]:
    """Return the external ids of all people of a visitor."""
    return [external_id(person, visitor) for person in PEOPLE]
