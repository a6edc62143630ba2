"""The Lua function library: assembled from Lua sources and descriptors, named by its content, loaded where missing.

A library's name carries a digest of its code, so gateways of two versions run side by side on one Redis during an
upgrade, each with its own functions.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping

from gateway.store.redis.functions import AnyDescriptor, AnyFunction

NAME_PREFIX = "inbox_"

_NAME = re.compile(NAME_PREFIX + r"[0-9a-f]{12}")

_DEFINITION = re.compile(r"^local function (\w+)", re.MULTILINE)


class Library:
    """The functions of this version of the gateway.

    `constants` is Lua code in front of all sources. A source of `shared` may use what the sources before it define.
    A definition in a source of `own` is local to that source, because a Lua function has at most 200 local variables.
    """

    def __init__(
        self,
        descriptors: Iterable[AnyDescriptor],
        constants: str,
        shared: Mapping[str, str],
        own: Mapping[str, str],
    ):
        self.functions: dict[str, AnyFunction] = {}
        """Every registered function by its name."""
        for descriptor in descriptors:
            for function in descriptor.forms():
                if self.functions.get(function.name, function) is not function:
                    raise ValueError(f"two descriptors name the function {function.name}")
                self.functions[function.name] = function
        registered = [(one.name, _callback(one), one.traits.flags) for one in self.functions.values()]
        digest = hashlib.sha256(f"{constants}{dict(shared)}{dict(own)}{sorted(registered)}".encode())
        self.name = NAME_PREFIX + digest.hexdigest()[:12]
        parts = [f"#!lua name={self.name}", constants]
        parts += [self._with_registrations(source) for source in shared.values()]
        parts += [f"do\n{self._with_registrations(source)}\nend" for source in own.values()]
        self.code = "\n".join(parts)

    def qualified(self, function: str) -> str:
        """Return the name under which a function of this version is called: names are global in a server."""
        return f"{self.name}_{function}"

    def _with_registrations(self, source: str) -> str:
        """Return a source followed by the registrations of the functions that it defines."""
        defined = set(_DEFINITION.findall(source))
        registrations = [
            f"redis.register_function{{function_name='{self.qualified(one.name)}', callback={_callback(one)}, "
            f"flags={one.traits.flags}}}"
            for one in self.functions.values()
            if one.lua_name in defined
        ]
        return "\n".join([source, *registrations])


def is_library_name(name: str) -> bool:
    """Return whether a name has the form of a library of some version of the gateway."""
    return _NAME.fullmatch(name) is not None


def _callback(function: AnyFunction) -> str:
    return function.traits.kind.value.format(function.lua_name)
