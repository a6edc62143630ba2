"""The operations that the HTTP ingress runs itself, without ASGI: found by method and path with a few look-ups.

An endpoint is the same object in both ways. Through ASGI, a request passes a task with a cycle of two messages, three
layers of functions and a scan of the routes; that is two fifths of its cost (measured). The ingress runs the endpoint
of a request whose route is here, and writes its response. All other requests, which are those of pages, of browsers of
other origins, and those that no operation responds to, go through `routing.application`, which has the same routes.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from starlette.routing import compile_path

from gateway.api.core.call import PUBLIC
from gateway.api.core.endpoint import Endpoint
from gateway.api.core.routing import route_path

_NO_PARAMS: Mapping[str, str] = {}


class DirectRoute(NamedTuple):
    """The endpoint of a request, and the parameters in its path."""

    endpoint: Endpoint
    path_params: Mapping[str, str]


class _Template(NamedTuple):
    """A path with parameters, each of which is a whole part of it: `parts` has None in place of each."""

    parts: list[str | None]
    params: list[tuple[int, str]]
    """The place of each parameter in `parts`, and its name."""
    endpoint: Endpoint

    def match(self, parts: Sequence[str]) -> DirectRoute | None:
        """Return the route of a path with as many parts, None if it is another path."""
        found: list[str | None] = [*parts]
        params = {}
        for place, name in self.params:
            params[name] = parts[place]
            found[place] = None
        if found != self.parts or "" in params.values():
            return None
        return tuple.__new__(DirectRoute, (self.endpoint, params))  # half the time of the constructor (measured)


_Shape = tuple[str, int, str | None]
"""The method of a template, how many parts its path has, and the last one, None for a parameter."""


class DirectRoutes:
    """Finds the endpoint that the first matching route of `endpoints` has. Some are left out, see the module."""

    def __init__(self, endpoints: Sequence[Endpoint] = ()):
        self._fixed: dict[tuple[str, str], DirectRoute] = {}
        self._templates: dict[_Shape, list[_Template]] = {}
        self._streams = {(endpoint.method, endpoint.path) for endpoint in endpoints if endpoint.streams}
        for index, endpoint in enumerate(endpoints):
            earlier = [other for other in endpoints[:index] if other.method == endpoint.method]
            if endpoint.caller is not PUBLIC and not endpoint.streams and not _has_free_text(endpoint):
                self._add(endpoint, earlier)

    def find(self, method: str, path: str) -> DirectRoute | None:
        """Return the route of a request, None if it has to go through the application."""
        if (route := self._fixed.get((method, path))) is not None:
            return route
        parts = path.split("/")
        count, templates = len(parts), self._templates
        # The last part distinguishes most of the paths with as many parts, such as those that end with `read`.
        candidates = templates.get((method, count, parts[-1])) or templates.get((method, count, None)) or ()
        for template in candidates:
            if (route := template.match(parts)) is not None:
                return None if (method, path) in self._streams else route
        return None

    def _add(self, endpoint: Endpoint, earlier: Sequence[Endpoint]) -> None:
        """Add an endpoint, unless the application could prefer an earlier one of the same method for its path."""
        method, path = endpoint.method, endpoint.path
        if "{" not in path:
            if not any(compile_path(route_path(other.path))[0].match(path) for other in earlier):
                self._fixed[method, path] = DirectRoute(endpoint, _NO_PARAMS)
            return
        parts = path.split("/")
        if any(_has_free_text(other) and other.path.split("/")[1] == parts[1] for other in earlier):
            return
        params = [(place, part[1:-1]) for place, part in enumerate(parts) if part.startswith("{")]
        template = _Template([None if part.startswith("{") else part for part in parts], params, endpoint)
        self._file(method, template)

    def _file(self, method: str, template: _Template) -> None:
        """Add a template, after those that are preferred, to every list in which `find` may look for it."""
        templates, count, last = self._templates, len(template.parts), template.parts[-1]
        own = (method, count, last)
        if last is None:
            for shape, others in templates.items():
                if shape[:2] == own[:2] and shape != own:
                    others.append(template)
        elif own not in templates:
            templates[own] = list(templates.get((method, count, None), ()))
        templates.setdefault(own, []).append(template)


def _has_free_text(endpoint: Endpoint) -> bool:
    """Return whether a parameter of the path may contain slashes, or is only a part between two slashes."""
    return ":path}" in route_path(endpoint.path) or any(
        "{" in part and not (part.startswith("{") and part.endswith("}")) for part in endpoint.path.split("/")
    )
