"""Service links: the environment variables that Kubernetes and Docker add to every container for each service.

For a Service `inbox-redis` these are INBOX_REDIS_SERVICE_HOST, INBOX_REDIS_SERVICE_PORT, INBOX_REDIS_PORT,
INBOX_REDIS_PORT_6379_TCP and so on (Kubernetes, "Accessing the Service"; Docker, "Legacy container links", which adds
INBOX_REDIS_NAME and INBOX_REDIS_ENV_...). They look like settings, although no operator set them. A variable is
treated as a link only if both its name and its value have the form of one, so that a misspelt setting is still an
error.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping

_PROTOCOLS = ("tcp", "udp", "sctp")
_URL = re.compile(rf"(?:{'|'.join(_PROTOCOLS)})://(?P<host>[^/@]+):(?P<port>\d{{1,5}})")


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _is_port(value: str) -> bool:
    return value.isascii() and value.isdigit() and int(value) <= 65535


def _is_url(value: str) -> bool:
    found = _URL.fullmatch(value)
    return found is not None and _is_address(found["host"].strip("[]")) and _is_port(found["port"])


def _is_container_path(value: str) -> bool:
    return re.fullmatch(r"/[\w.-]+/[\w.-]+", value) is not None


def _is_any(value: str) -> bool:
    return True


_FORMS: tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...] = (
    (re.compile(r"(\w+_)?SERVICE_HOST"), _is_address),
    (re.compile(r"(\w+_)?SERVICE_PORT(_\w+)?"), _is_port),
    (re.compile(r"(\w+_)?PORT"), _is_url),
    (re.compile(r"(\w+_)?PORT_\d+_(TCP|UDP|SCTP)"), _is_url),
    (re.compile(r"(\w+_)?PORT_\d+_(TCP|UDP|SCTP)_PROTO"), _PROTOCOLS.__contains__),
    (re.compile(r"(\w+_)?PORT_\d+_(TCP|UDP|SCTP)_PORT"), _is_port),
    (re.compile(r"(\w+_)?PORT_\d+_(TCP|UDP|SCTP)_ADDR"), _is_address),
    (re.compile(r"(\w+_)?NAME"), _is_container_path),
    (re.compile(r"(\w+_)?ENV_\w+"), _is_any),
)


def is_service_link(name: str, value: str) -> bool:
    """Return whether a variable is a service link. `name` is without the common prefix of settings."""
    return any(form.fullmatch(name) and is_right(value) for form, is_right in _FORMS)


def service_links(environment: Mapping[str, str], prefix: str) -> list[str]:
    """Return the sorted names of the service links among variables with this prefix, including the prefix."""
    return sorted(_links(environment.items(), prefix))


def _links(variables: Iterable[tuple[str, str]], prefix: str) -> Iterable[str]:
    for name, value in variables:
        if name.startswith(prefix) and is_service_link(name.removeprefix(prefix), value):
            yield name
