"""A Postfix of its own: its own directory, an unprivileged port on the loopback, STARTTLS, and Maildirs."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.stubs.certificates import Certificates, make_certificates

POSTFIX = shutil.which("postfix") or shutil.which("postfix", path="/usr/sbin") or ""
DOMAIN = "mail.test"

_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
virtual   unix  -       n       n       -       -       virtual
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""

_MAIN = """
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
mail_owner = postfix
maillog_file_prefixes = {root}
maillog_file = {root}/log
inet_protocols = ipv4
myhostname = {domain}
mydestination =
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {root}/boxes
virtual_mailbox_maps = inline:{{ ada@{domain}=ada/, blocked@{domain}=ada/ }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
smtpd_tls_security_level = may
smtpd_tls_chain_files = {certificates.key}, {certificates.certificate}
smtpd_tls_received_header = yes
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access inline:{{ blocked@{domain}=REJECT }}
header_checks = regexp:{{ {{/^Subject: spam/ REJECT}} }}
message_size_limit = 200000
"""


@dataclass(frozen=True)
class Postfix:
    """A running Postfix. `ada@mail.test` has a mailbox, and `blocked@mail.test` is refused."""

    port: int
    root: Path
    certificates: Certificates

    def mails(self) -> list[bytes]:
        """Return the mails in the mailbox, in the order in which they arrived."""
        found = sorted((self.root / "boxes" / "ada" / "new").glob("*"), key=lambda path: path.stat().st_mtime_ns)
        return [path.read_bytes() for path in found]

    @property
    def log(self) -> str:
        """Return what Postfix has logged."""
        return (self.root / "log").read_text()


@contextmanager
def running_postfix() -> Iterator[Postfix]:
    """Start a Postfix, and stop it at the end. It needs root, because its processes have other users."""
    import pwd

    owner = pwd.getpwnam("nobody")
    # Not the directory of pytest, which other users cannot read.
    root = Path(tempfile.mkdtemp(prefix="postfix-"))
    root.chmod(0o755)
    try:
        for name in ("queue", "data", "boxes", "config"):
            (root / name).mkdir()
        shutil.chown(root / "data", "postfix")
        os.chown(root / "boxes", owner.pw_uid, owner.pw_gid)
        certificates = make_certificates(root)
        port = _free_port()
        values = {"root": root, "domain": DOMAIN, "uid": owner.pw_uid, "gid": owner.pw_gid}
        (root / "config" / "main.cf").write_text(_MAIN.format(certificates=certificates, **values))
        (root / "config" / "master.cf").write_text(_MASTER.format(port=port))
        command = [POSTFIX, "-c", str(root / "config")]
        subprocess.run([*command, "start"], check=True, capture_output=True, timeout=30)
        try:
            yield Postfix(port, root, certificates)
        finally:
            subprocess.run([*command, "stop"], check=False, capture_output=True, timeout=30)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port: int = reserved.getsockname()[1]
        return port
