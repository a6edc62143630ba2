"""The two projects whose deliveries are checked: their providers, categories, users and destinations."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from gateway.channels import fcm, sendgrid, twilio
from loadtest.check.deliveries.providers import DEAD
from loadtest.providers import replies
from loadtest.providers.replies import ProviderKind
from loadtest.servers.gateway import ADMIN, Gateway, user_hmac
from loadtest.servers.projects import create_project

USERS = 6
"""Users of each project. The first one has a dead token as well."""

LATE_SECONDS = 3
TOKEN_LENGTH = 64


@dataclass(frozen=True)
class Way:
    """A category, the only channel of its delivery config, and the provider that sends it."""

    category: str
    channel: str
    provider: ProviderKind
    delay: int = 0


WAYS = (
    Way("push", "mobile_push", replies.FCM),
    Way("mail", "email", replies.SENDGRID),
    Way("late", "email", replies.SENDGRID, LATE_SECONDS),
    Way("text", "sms", replies.TWILIO),
    Way("chat", "slack", replies.SLACK),
)


@dataclass
class CheckedProject:
    """A project, and the ids of its users by external id."""

    name: str
    id: str
    admin: Mapping[str, str]
    users: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The external ids of the users."""
        return [f"{self.name}{number}" for number in range(USERS)]

    def user_headers(self, user: str) -> dict[str, str]:
        """Return the headers of a user."""
        key, secret = self.admin["X-MAGICBELL-API-KEY"], self.admin["X-MAGICBELL-API-SECRET"]
        mac = user_hmac(user, secret)
        return {"X-MAGICBELL-API-KEY": key, "X-MAGICBELL-USER-EXTERNAL-ID": user, "X-MAGICBELL-USER-HMAC": mac}

    def recipient(self, user: str) -> dict[str, Any]:
        """Return a user with all addresses."""
        phone = f"+4915{self.name.encode()[0]:03d}{user.removeprefix(self.name):0>6}"
        return {"external_id": user, "email": f"{user}@example.com", "phone_numbers": [phone]}

    def good_token(self, user: str) -> str:
        """Return the device token of a user."""
        return f"good-{user}-".ljust(TOKEN_LENGTH, "x")

    def dead_token(self, user: str) -> str:
        """Return a device token of a user that no longer exists."""
        return f"{DEAD}-{user}-".ljust(TOKEN_LENGTH, "x")

    def has_dead_token(self, user: str) -> bool:
        """Return whether a user has a dead token as well."""
        return user == self.names[0]

    def destinations(self, way: Way, user: str) -> list[str]:
        """Return the destinations of a user as requests to the provider have them."""
        recipient = self.recipient(user)
        if way.provider is replies.FCM:
            return [self.good_token(user), *([self.dead_token(user)] if self.has_dead_token(user) else [])]
        return [
            {
                replies.SENDGRID.name: recipient["email"],
                replies.TWILIO.name: recipient["phone_numbers"][0],
                replies.SLACK.name: user,
            }[way.provider.name]
        ]


def second_project(gateway: Gateway) -> CheckedProject:
    """Create project `b` beside the one of the settings, and return it."""
    settings = {"INBOX_DATA_DIR": str(gateway.data_dir), **gateway.environment}
    created = create_project("b", gateway.command, settings)
    admin = {"X-MAGICBELL-API-KEY": created.api_key, "X-MAGICBELL-API-SECRET": created.api_secret}
    return CheckedProject("b", created.id, admin)


def first_project() -> CheckedProject:
    """Return the project of the settings as project `a`."""
    return CheckedProject("a", "1", ADMIN)


def integrations(project: CheckedProject, providers_url: str) -> dict[str, dict[str, Any]]:
    """Return the configurations of the providers. Each has the name of the project where its credentials are."""
    return {
        "fcm": {**fcm.INTEGRATION.example, "project_id": project.name, "token_uri": f"{providers_url}/token"},
        "sendgrid": {**sendgrid.INTEGRATION.example, "api_key": project.name},
        "twilio": {**twilio.INTEGRATION.example, "account_sid": project.name, "region": "us1"},
    }


async def save_integrations(project: CheckedProject, gateway: Gateway, providers_url: str) -> None:
    """Save the configurations of all providers."""
    async with _client(gateway) as http:
        for name, config in integrations(project, providers_url).items():
            await _send(http, "PUT", f"/v2/integrations/{name}", config, project.admin)


async def prepare(project: CheckedProject, gateway: Gateway, providers_url: str) -> None:
    """Save the integrations and delivery configs of a project, and create its users with their tokens."""
    await save_integrations(project, gateway, providers_url)
    async with _client(gateway) as http:
        for way in WAYS:
            config = {"key": way.category, "channels": [{"channel": way.channel, "delay": way.delay}]}
            await _send(http, "PUT", "/v2/channels/deliveryconfig", config, project.admin)
        for user in project.names:
            created = await _send(http, "POST", "/v2/users", project.recipient(user), project.admin)
            project.users[user] = created["id"]
            mine = project.user_headers(user)
            for token in project.destinations(WAYS[0], user):
                await _send(http, "POST", "/v2/channels/mobile_push/fcm/tokens", {"device_token": token}, mine)
            webhook = {"webhook": {"url": f"{providers_url}/services/{project.name}/{user}"}}
            await _send(http, "POST", "/v2/channels/slack/tokens", webhook, mine)


async def live_tokens(project: CheckedProject, gateway: Gateway, user: str) -> list[str]:
    """Return the device tokens of a user that are not discarded."""
    async with _client(gateway) as http:
        path = "/v2/channels/mobile_push/fcm/tokens"
        response = await http.get(path, headers=project.user_headers(user))
        return [token["device_token"] for token in response.raise_for_status().json()["data"]]


def _client(gateway: Gateway) -> httpx.AsyncClient:
    no_authorities = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loading the certificate authorities takes 30 ms
    return httpx.AsyncClient(base_url=gateway.url, timeout=30, verify=no_authorities)


async def _send(http: httpx.AsyncClient, method: str, path: str, content: Any, headers: Mapping[str, str]) -> Any:
    response = await http.request(method, path, json=content, headers=dict(headers))
    if response.status_code >= 300:
        raise RuntimeError(f"{method} {path}: {response.status_code} {response.text}")
    return response.json()
