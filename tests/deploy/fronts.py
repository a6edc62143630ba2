"""Reverse proxies that run the files of deploy/. Only addresses, ports, paths and certificates are replaced."""

import contextlib
import datetime
import ipaddress
import os
import resource
import shutil
import signal
import ssl
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.request import urlopen

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers import START_SECONDS, Gateway, free_port, wait_for

DEPLOY = Path(__file__).parent.parent.parent / "deploy"

INSTALLED = DEPLOY.parent / "build" / "proxies" / "bin"
"""Where `tests/deploy/system.sh` installs the programs that Debian does not package."""

PREFIX = "/inbox"
"""The path of the files for a sub-path."""

HOST, SUBPATH_HOST = "localhost", "127.0.0.1"
"""What replaces inbox.example.com and www.example.com."""

HAPROXY_FILES = 64_100
"""The files that HAProxy opens at most, by `maxconn` of its file."""

STOP_SECONDS = 2.0

NODES = ("10.0.0.11:8000", "10.0.0.12:8000")
"""The nodes in the files."""


OWN_ADDRESS = "127.0.0.3"
"""The address of a client in the network to which closed paths are open."""


@dataclass
class Front(Gateway):
    """The address of a proxy, for clients that expect a gateway."""

    address: str = ""

    @property
    def url(self) -> str:
        """The address of the REST API."""
        return self.address

    @property
    def websocket_url(self) -> str:
        """The address of the WebSocket endpoint."""
        return f"{self.address.replace('https', 'wss', 1)}/realtime/ws"


@dataclass(frozen=True)
class Certificate:
    """A certificate of this machine's names, signed by itself."""

    chain: Path
    key: Path
    both: Path
    """Both in one file, as HAProxy reads them."""

    @classmethod
    def created(cls, directory: Path) -> "Certificate":
        """Create the files in a directory."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
        names = [x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address(SUBPATH_HOST))]
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        chain = certificate.public_bytes(serialization.Encoding.PEM)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        made = cls(directory / "fullchain.pem", directory / "privkey.pem", directory / "inbox.pem")
        for path, data in ((made.chain, chain), (made.key, private), (made.both, chain + private)):
            path.write_bytes(data)
        return made


def replaced(text: str, pairs: Mapping[str, str]) -> str:
    """Return a file of deploy/ with other addresses and paths. Raise AssertionError if it lacks one of them."""
    for old, new in pairs.items():
        assert old in text, f"the file has no {old}"
        text = text.replace(old, new)
    return text


class Proxy(ABC):
    """A proxy in front of some gateways, over TLS, at a name of its own and below a path."""

    name: ClassVar[str]
    program: ClassVar[str]

    reload_keeps_streams: ClassVar[bool] = True
    """Whether connections stay open when the configuration is read again."""

    def __init__(self, directory: Path, gateways: Sequence[Gateway], certificate: Certificate):
        self.directory = directory
        self.certificate = certificate
        self.port, self.plain_port, self.subpath_port = free_port(), free_port(), free_port()
        self.nodes = {node: f"127.0.0.1:{gateway.port}" for node, gateway in zip(NODES, gateways, strict=True)}
        self.process: subprocess.Popen[bytes] | None = None
        self.log_file = directory / f"{self.name}.log"

    @classmethod
    def binary(cls) -> str | None:
        """Return the path of the program, None if it is not installed."""
        return shutil.which(cls.program, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin:{INSTALLED}")

    @property
    def url(self) -> str:
        """The address at a name of its own."""
        return f"https://{HOST}:{self.port}"

    @property
    def front(self) -> Front:
        """The address for clients that expect a gateway."""
        return Front(self.directory, address=self.url)

    @property
    def subpath_url(self) -> str:
        """The address below a path, without a slash at the end."""
        return f"https://{SUBPATH_HOST}:{self.subpath_port}{PREFIX}"

    @abstractmethod
    def write(self) -> None:
        """Write the configuration into the directory."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that serves, in the foreground."""

    def reload(self) -> None:
        """Have the proxy read its configuration again."""
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def write_file(self, name: str, pairs: Mapping[str, str]) -> None:
        """Write a file of deploy/ with replacements into the directory."""
        (self.directory / Path(name).name).write_text(replaced((DEPLOY / name).read_text(), pairs))

    def start(self) -> None:
        """Start the proxy, and wait until gateways respond through it."""
        self.write()
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, env={**os.environ, "HOME": str(self.directory)}
            )
        wait_for(self._serves, f"{self.name} to listen", START_SECONDS)

    def _serves(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"{self.name} ended:\n{self.log_file.read_text()}"
        context = client_context(self.certificate)
        return all(_is_healthy(url, context) for url in (self.url, self.subpath_url))

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Send a signal, and wait for the end. Kill the proxy if open streams delay that."""
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.process = None


def _is_healthy(url: str, context: ssl.SSLContext) -> bool:
    """Return whether a gateway responds at an address."""
    with contextlib.suppress(OSError), urlopen(f"{url}/healthz", timeout=5, context=context) as response:
        return bool(response.status == 200)
    return False


class Nginx(Proxy):
    """nginx, as Debian packages it."""

    name = program = "nginx"

    def write(self) -> None:
        """Write all files, and load that for a sub-path as well."""
        self.subpath_port = self.port
        here = {"/var/log/nginx/": f"{self.directory}/", "443 ssl": f"127.0.0.1:{self.port} ssl"}
        certificate = {
            "/etc/ssl/inbox/fullchain.pem": str(self.certificate.chain),
            "/etc/ssl/inbox/privkey.pem": str(self.certificate.key),
        }
        opened = {"# allow 192.0.2.0/24;": f"allow {OWN_ADDRESS};"}
        includes = {"/etc/nginx/inbox": f"{self.directory}/inbox"}
        main = {
            **includes,
            "/var/log/nginx/": f"{self.directory}/",
            "/run/nginx.pid": f"{self.directory}/nginx.pid",
            f"include {self.directory}/inbox.conf;": f"include {self.directory}/inbox.conf;\n"
            f"    include {self.directory}/inbox-subpath.conf;",
        }
        own = {"inbox.example.com": HOST, "listen 80;": f"listen 127.0.0.1:{self.plain_port};"}
        self.write_file("nginx/nginx.conf", main)
        self.write_file("nginx/inbox-upstream.conf", self.nodes)
        self.write_file("nginx/inbox-proxy.conf", {})
        self.write_file("nginx/inbox.conf", {**includes, **here, **certificate, **own, **opened})
        below = {"www.example.com": SUBPATH_HOST}
        self.write_file("nginx/inbox-subpath.conf", {**includes, **here, **certificate, **below, **opened})

    def command(self) -> list[str]:
        """Return nginx in the foreground."""
        binary = self.binary()
        assert binary is not None
        return [
            binary,
            "-e",
            "stderr",
            "-p",
            str(self.directory),
            "-c",
            f"{self.directory}/nginx.conf",
            "-g",
            "daemon off;",
        ]


class Haproxy(Proxy):
    """HAProxy, as Debian packages it."""

    name = program = "haproxy"

    def write(self) -> None:
        """Write both files."""
        certificate = {"/etc/ssl/inbox/inbox.pem": str(self.certificate.both)}
        own = {"bind :80": f"bind 127.0.0.1:{self.plain_port}", "bind :443": f"bind 127.0.0.1:{self.port}"}
        opened = {"192.0.2.0/32": f"{OWN_ADDRESS}/32"}
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if limit < HAPROXY_FILES:  # root alone may raise it, and not in every container
            own["maxconn 32000\n    # A"] = f"maxconn {(limit - 100) // 2}\n    # A"
        user = {} if os.geteuid() == 0 else {"    user haproxy\n": "", "    group haproxy\n": ""}
        self.write_file("haproxy/haproxy.cfg", {**self.nodes, **certificate, **own, **opened, **user})
        below = {"bind :8443": f"bind 127.0.0.1:{self.subpath_port}"}
        self.write_file("haproxy/haproxy-subpath.cfg", {**certificate, **below, **opened})

    def command(self) -> list[str]:
        """Return HAProxy with a master process, as Debian's unit starts it."""
        binary = self.binary()
        assert binary is not None
        files = [f"{self.directory}/haproxy.cfg", f"{self.directory}/haproxy-subpath.cfg"]
        return [binary, "-W", "-f", files[0], "-f", files[1]]

    def reload(self) -> None:
        """Have the master process start another one."""
        assert self.process is not None
        self.process.send_signal(signal.SIGUSR2)


class Caddy(Proxy):
    """Caddy, as Debian packages it. One process runs the file for a name of its own, another one that for a path."""

    name = program = "caddy"
    reload_keeps_streams = False

    def __init__(self, directory: Path, gateways: Sequence[Gateway], certificate: Certificate):
        super().__init__(directory, gateways, certificate)
        self._admin = free_port()
        self._below: subprocess.Popen[bytes] | None = None

    def write(self) -> None:
        """Write both files. Caddy does not have to get a certificate, and redirects nothing."""
        tls = f"\ttls {self.certificate.chain} {self.certificate.key}\n"
        global_options = "{\n\tskip_install_trust\n\thttps_port %d\n\thttp_port %d\n"
        opened = {"# not remote_ip 192.0.2.0/24": f"not remote_ip {OWN_ADDRESS}"}
        admin = {"\tadmin localhost:2019\n": f"\tadmin localhost:{self._admin}\n"}
        own = {
            "inbox.example.com {\n": f"{HOST}:{self.port} {{\n\tbind 127.0.0.1\n{tls}",
            "/var/log/caddy/": f"{self.directory}/",
        }
        below = {
            "www.example.com {\n": f"{SUBPATH_HOST}:{self.subpath_port} {{\n\tbind 127.0.0.1\n{tls}",
            "localhost:2019": "off",
        }
        begin = "\n{\n"
        self.write_file(
            "caddy/Caddyfile",
            {**self.nodes, **admin, **own, **opened, begin: "\n" + global_options % (self.port, self.plain_port)},
        )
        self.write_file(
            "caddy/Caddyfile.subpath",
            {**self.nodes, **below, **opened, begin: "\n" + global_options % (self.subpath_port, free_port())},
        )

    def command(self) -> list[str]:
        """Return Caddy in the foreground."""
        return self._command("Caddyfile")

    def _command(self, file: str) -> list[str]:
        binary = self.binary()
        assert binary is not None
        return [binary, "run", "--adapter", "caddyfile", "--config", f"{self.directory}/{file}"]

    def start(self) -> None:
        """Start both processes."""
        self.write()
        home = self.directory / "below"  # the processes of one home share files
        with self.log_file.open("ab") as log:
            self._below = subprocess.Popen(
                self._command("Caddyfile.subpath"), stdout=log, stderr=log, env={**os.environ, "HOME": str(home)}
            )
        super().start()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop both processes."""
        super().stop(number)
        if self._below is not None:
            self._below.kill()
            self._below.wait(10)
            self._below = None

    def reload(self) -> None:
        """Send the configuration once more. `--force` applies it though it has not changed."""
        command = self._command("Caddyfile")
        command[1:2] = ["reload", "--force", "--address", f"localhost:{self._admin}"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)


class NewCaddy(Caddy):
    """Caddy of this year, which knows `stream_close_delay`."""

    name = "new-caddy"
    reload_keeps_streams = True

    @classmethod
    def binary(cls) -> str | None:
        """Return the path of the program that `make proxies` installs."""
        return shutil.which(cls.program, path=str(INSTALLED))

    def write(self) -> None:
        """Write both files, with the line for newer versions."""
        super().write()
        path = self.directory / "Caddyfile"
        path.write_text(replaced(path.read_text(), {"# stream_close_delay": "stream_close_delay"}))


class Traefik(Proxy):
    """Traefik, which Debian does not package."""

    name = program = "traefik"

    def write(self) -> None:
        """Write the static file and both dynamic ones."""
        self.subpath_port = self.port
        dynamic = self.directory / "dynamic"
        dynamic.mkdir(exist_ok=True)
        static = {
            '":443"': f'"127.0.0.1:{self.port}"',
            '":80"': f'"127.0.0.1:{self.plain_port}"',
            "/etc/traefik/dynamic": str(dynamic),
        }
        self.write_file("traefik/traefik.yaml", static)
        certificate = {
            "/etc/ssl/inbox/fullchain.pem": str(self.certificate.chain),
            "/etc/ssl/inbox/privkey.pem": str(self.certificate.key),
        }
        own = replaced(
            (DEPLOY / "traefik/dynamic/inbox.yaml").read_text(),
            {**self.nodes, **certificate, "`inbox.example.com`": f"`{HOST}`", "192.0.2.0/32": f"{OWN_ADDRESS}/32"},
        )
        (dynamic / "inbox.yaml").write_text(own)
        below = (DEPLOY / "traefik/dynamic/inbox-subpath.yaml").read_text()
        (dynamic / "inbox-subpath.yaml").write_text(replaced(below, {"`www.example.com`": f"`{SUBPATH_HOST}`"}))

    def command(self) -> list[str]:
        """Return Traefik in the foreground."""
        binary = self.binary()
        assert binary is not None
        return [binary, f"--configfile={self.directory}/traefik.yaml"]

    def reload(self) -> None:
        """Replace a dynamic file, which Traefik watches. It would read one that is only half written."""
        path = self.directory / "dynamic" / "inbox.yaml"
        changed = self.directory / "inbox.yaml"
        changed.write_text(path.read_text() + "\n# changed\n")
        changed.replace(path)


PROXIES: tuple[type[Proxy], ...] = (Nginx, Haproxy, Caddy, NewCaddy, Traefik)


@contextlib.contextmanager
def running_proxy(proxy: Proxy) -> Iterator[Proxy]:
    """Run a proxy for a block."""
    try:
        proxy.start()
        yield proxy
    finally:
        proxy.stop()


def client_context(certificate: Certificate) -> ssl.SSLContext:
    """Return a TLS context that trusts this certificate alone."""
    return ssl.create_default_context(cafile=str(certificate.chain))
