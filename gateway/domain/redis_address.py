"""The check of INBOX_REDIS_URL at start. Its messages never contain the password.

A password with an unencoded reserved character splits the address in the wrong place, and the error message of a URL
parser then contains a part of the password. So the address is split here first, and messages contain no text of the
address except its host, its port and the names of its options.
"""

import re
from urllib.parse import parse_qsl, urlsplit

SCHEMES = ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel")

_HOST = re.compile(
    r"\[(?P<literal>[0-9A-Fa-f:.%\w]+)\](?::(?P<port>[^:\[\]]*))?|(?P<name>[^\s:\[\]]*)(?::(?P<number>.*))?"
)

_PLAIN = ("db", "client_name", "username", "password")
_TLS = (
    *("ssl_ca_certs", "ssl_ca_path", "ssl_ca_data", "ssl_certfile", "ssl_keyfile", "ssl_password"),
    *("ssl_cert_reqs", "ssl_check_hostname", "ssl_ciphers"),
)
_CHOICES = {
    "ssl_cert_reqs": ("none", "optional", "required"),
    "ssl_check_hostname": ("true", "false", "yes", "no", "1", "0", "t", "f", "y", "n"),
}
_ENCODE = "write # ? / @ % [ ] in a user name or password as %23 %3F %2F %40 %25 %5B %5D"


def redis_address_fault(address: str) -> str:
    """Return why this address cannot be used, "" if it can."""
    scheme, separator, rest = address.partition("://")
    if not separator or scheme not in SCHEMES:
        return f"must start with {', '.join(f'{name}://' for name in SCHEMES)}"
    if any(character.isspace() or not character.isprintable() for character in address):
        return "must not contain spaces or line breaks; " + _ENCODE
    credentials, at, where = _split(scheme, rest)
    if at and re.search(r"[/?#@\[\]]", credentials):
        return "has a character in its password that must be encoded: " + _ENCODE
    if "#" in where or not _is_readable(address):
        return "cannot be read as an address: " + _ENCODE
    main, _, query = where.partition("?")
    hosts, slash, path = main.partition("/")
    if scheme == "unix":
        return _socket_fault(hosts, slash + path) or _options_fault(query, secure=False)
    return (
        _hosts_fault(hosts, several="+" in scheme)
        or _path_fault(scheme, path)
        or _options_fault(query, secure=scheme.startswith("rediss"))
        or _database_fault(scheme, query)
    )


def described(address: str) -> str:
    """Return a valid address without its credentials and options, for messages."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{_split(scheme, rest)[2].partition('?')[0]}"


def _split(scheme: str, rest: str) -> tuple[str, str, str]:
    """Return the credentials, the @ after them, and the rest. The path of a Unix socket may contain an @ too."""
    return ("", "", rest) if scheme == "unix" and rest.startswith("/") else rest.rpartition("@")


def _is_readable(address: str) -> bool:
    """Return whether urllib can parse the address. urllib refuses some characters that are not ASCII."""
    try:
        urlsplit(address)
    except ValueError:
        return False
    return True


def _socket_fault(hosts: str, path: str) -> str:
    if hosts:
        return "must have three slashes before the path of a Unix socket: unix:///run/redis.sock"
    return "" if len(path) > 1 else "must name the path of a Unix socket: unix:///run/redis.sock"


def _hosts_fault(hosts: str, several: bool) -> str:
    if not hosts:
        return "must name a host"
    if "," in hosts and not several:
        return "names several hosts: a cluster is redis+cluster://, a service of Sentinel redis+sentinel://"
    for one in hosts.split(","):
        found = _HOST.fullmatch(one)
        if found is None:
            # The message does not contain it: in an address without an @ this may be a password.
            return "must name a host as `host`, `host:port`, `[IPv6]` or `[IPv6]:port`"
        if not (found["literal"] or found["name"]):
            return "must name a host before the port"
        port = found["port"] if found["literal"] else found["number"]
        if port is not None and not (port.isascii() and port.isdigit() and 0 < int(port) <= 65535):
            return "must have a port from 1 to 65535 after the host, or none; a password stands before an @"
    return ""


def _path_fault(scheme: str, path: str) -> str:
    if scheme.endswith("+sentinel"):
        return "" if path.strip("/") and "/" not in path.strip("/") else "must name the service: …://host:port/service"
    database = path.strip("/")
    if not database:
        return ""
    if scheme.endswith("+cluster"):
        return "must not name a database: a cluster has only one" if database != "0" else ""
    return "" if _is_whole(database) else "must name the database by its number, as in redis://host:6379/0"


def _database_fault(scheme: str, query: str) -> str:
    for name, value in parse_qsl(query):
        if name == "db" and value != "0" and scheme.endswith("+cluster"):
            return "must not name a database: a cluster has only one"
    return ""


def _options_fault(query: str, secure: bool) -> str:
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in _TLS and not secure:
            return f"has the option {name}, which needs TLS: use rediss"
        if name not in (*_PLAIN, *_TLS):
            return f"has an option that is not one of {', '.join((*_PLAIN, *_TLS))}"
        if name == "db" and not _is_whole(value):
            return "must have a whole number as the option db"
        if value.lower() not in _CHOICES.get(name, (value.lower(),)):
            return f"must have one of {', '.join(_CHOICES[name])} as the option {name}"
    return ""


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit()
