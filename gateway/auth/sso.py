"""Single sign-on: whom the provider names, and which admin that is.

An admin is bound to the subject at the provider, which never changes and is never reused (OpenID Connect Core, 5.7).
The first sign-in finds the admin by the email, which the provider must have verified.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec

from gateway.domain.admin import Role
from gateway.domain.ids import WorkspaceId
from gateway.domain.sso_roles import SsoRoles
from gateway.store.admin_sessions import AdminSessionStore
from gateway.store.admins import AdminRecord, AdminStore
from gateway.store.errors import EmailTakenError, LastOwnerError, TooManyError


class SsoProblem(Enum):
    """Why a sign-in has failed. The values are in the address of the login page, and in the audit log."""

    NOT_BEGUN = "sso_not_begun"
    """This browser has not begun it, or too long ago."""
    DENIED = "sso_denied"
    """The provider has refused it, or the person has."""
    PROVIDER_FAILED = "sso_provider_failed"
    """The provider cannot be reached, or is not set up as the gateway is."""
    NOT_VALID = "sso_not_valid"
    """What the provider said is not proven, or is not for this sign-in."""
    EMAIL_NOT_VERIFIED = "sso_email_not_verified"
    NO_ROLE = "sso_no_role"
    OTHER_ACCOUNT = "sso_other_account"
    """The email is bound to another subject, or somebody else confirms."""
    LAST_OWNER = "sso_last_owner"
    """The groups would take the role from the only owner."""
    NOT_RECENT = "sso_not_recent"
    """The provider did not ask again."""
    TOO_MANY_TRIES = "too_many_tries"
    NEEDS_HTTPS = "needs_https"


class SsoError(Exception):
    """A sign-in that fails. `detail` is for the log of the operator, and has no token.

    `email` is whom the provider has named, "" if that is not proven.
    """

    def __init__(self, problem: SsoProblem, detail: str = "", email: str = ""):
        super().__init__(f"{problem.value}: {detail}")
        self.problem = problem
        self.detail = detail
        self.email = email


class Identity(msgspec.Struct, frozen=True):
    """Whom the provider names. `authenticated_at` is when it has last asked who it is (unix seconds), 0 if unknown."""

    issuer: str
    subject: str
    email: str
    is_email_verified: bool
    name: str
    authenticated_at: int
    claims: Mapping[str, Any]

    @property
    def stored(self) -> str:
        """The subject as it is stored with an admin."""
        return f"{self.issuer} {self.subject}"


class SsoAdmins:
    """Finds the admin of an identity, or creates one. Without `roles`, people have those that the dashboard says."""

    def __init__(self, admins: AdminStore, sessions: AdminSessionStore, roles: SsoRoles | None):
        self._admins = admins
        self._sessions = sessions
        self._roles = roles

    async def admin_of(self, identity: Identity, expected_id: str = "") -> AdminRecord:
        """Return the admin, with the roles of now. With `expected_id`, only this one. Raises SsoError.

        If the roles change, all sessions of the admin end.
        """
        granted = self._roles.of(identity.claims) if self._roles is not None else None
        if granted is not None and not granted:
            raise SsoError(SsoProblem.NO_ROLE, "no value of the claim has a role", identity.email)
        record = await self._find(identity)
        if expected_id and (record is None or record.id != expected_id):
            raise SsoError(SsoProblem.OTHER_ACCOUNT, "another admin began to confirm", identity.email)
        if record is None:
            return await self._create(identity, granted)
        return await self._update(record, identity, granted)

    async def _find(self, identity: Identity) -> AdminRecord | None:
        for record in await self._admins.all():
            if record.sso_subject == identity.stored:
                return record
        if not identity.email or not identity.is_email_verified:
            raise SsoError(SsoProblem.EMAIL_NOT_VERIFIED, "the provider has not verified the email", identity.email)
        return await self._admins.by_email(identity.email)

    async def _create(self, identity: Identity, granted: Mapping[WorkspaceId, Role] | None) -> AdminRecord:
        if granted is None:
            raise SsoError(SsoProblem.NO_ROLE, "nobody has invited this person", identity.email)
        try:
            return await self._admins.create(identity.email, identity.name, granted, sso_subject=identity.stored)
        except (EmailTakenError, TooManyError) as problem:  # somebody has created it just now
            raise SsoError(SsoProblem.OTHER_ACCOUNT, str(problem), identity.email) from None

    async def _update(
        self, record: AdminRecord, identity: Identity, granted: Mapping[WorkspaceId, Role] | None
    ) -> AdminRecord:
        roles = None if granted is None else {where: role.value for where, role in granted.items()}

        def change(before: AdminRecord) -> AdminRecord:
            # The operator may change the provider, but within one, a subject stays the same person.
            if before.sso_subject != identity.stored and before.sso_subject.startswith(f"{identity.issuer} "):
                raise SsoError(SsoProblem.OTHER_ACCOUNT, "the email is bound to another subject", identity.email)
            return msgspec.structs.replace(
                before,
                sso_subject=identity.stored,
                name=before.name or identity.name,
                roles=before.roles if roles is None else roles,
            )

        try:
            after = await self._admins.change(record.id, change)
        except LastOwnerError:
            raise SsoError(SsoProblem.LAST_OWNER, "the only owner would be none any more", identity.email) from None
        if after is None:
            raise SsoError(SsoProblem.NO_ROLE, "the admin was removed just now", identity.email)
        if after.roles != record.roles:
            await self._sessions.end_all(after.id)
        return after
