"""API secrets at rest. HMACs need them in clear, so they are encrypted with a key derived from INBOX_SECRET_KEY."""

import base64
import hashlib
from collections.abc import Callable

from cryptography.fernet import Fernet, InvalidToken

from gateway.domain.ids import ProjectId, WorkspaceId
from gateway.domain.principal import Project
from gateway.domain.signing import NO_PROOF, PublicKey, secret_id
from gateway.store.project_records import ProjectRecord, StoredSecret
from gateway.telemetry.logs import log


class SecretCipher:
    """Encrypts API secrets, and turns records into projects.

    `secret_key` is the setting: any string. `unix` returns the time in unix seconds.
    """

    def __init__(self, secret_key: str, unix: Callable[[], float]):
        digest = hashlib.sha256(b"inbox-gateway api secrets\0" + secret_key.encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(digest))
        self._unix = unix
        self.key_id = hashlib.sha256(b"inbox-gateway secret key id\0" + digest).hexdigest()[:16]
        """An id of the secret key, which does not reveal the key."""

    def encrypt(self, secret: str) -> StoredSecret:
        """Return a secret as it is stored, without an end."""
        return StoredSecret(self._fernet.encrypt(secret.encode()).decode())

    def decrypt(self, secret: StoredSecret) -> str | None:
        """Return a stored secret in clear, None if another secret key encrypted it."""
        try:
            return self._fernet.decrypt(secret.encrypted.encode()).decode()
        except InvalidToken:
            return None

    def open(self, record: ProjectRecord) -> Project:
        """Return the project of a record, with the secrets that are accepted now.

        A secret that cannot be decrypted is left out and logged.
        """
        now = self._unix()
        plain: list[str] = []
        credentials: dict[str, int | None] = {} if record.hmac_enabled else {NO_PROOF: None}
        for stored in record.secrets:
            if stored.until is not None and stored.until <= now:
                continue
            secret = self.decrypt(stored)
            if secret is None:
                log.error(
                    "secret_cannot_be_decrypted",
                    project=record.id,
                    suggestion="start every node with the INBOX_SECRET_KEY that the project was created with",
                )
                continue
            plain.append(secret)
            credentials.setdefault(secret_id(secret), stored.until)
        public_keys = tuple(
            PublicKey(jwk["kid"], {name: value for name, value in jwk.items() if name != "kid"}) for jwk in record.keys
        )
        credentials.update((key.credential_id, None) for key in public_keys)
        return Project(
            ProjectId(record.id),
            record.name,
            record.api_key,
            record.hmac_enabled,
            tuple(plain),
            public_keys,
            credentials,
            WorkspaceId(record.workspace_id),
            tuple(record.allowed_origins),
            record.item_retention_count,
            record.item_retention_seconds,
            record.strict,
            record.limits,
            record.event_retention_count,
            record.event_retention_seconds,
        )
