"""A project that looks like that of a real shop: what the pictures of the dashboard show.

Users, notifications, broadcasts and settings are made by the API. What cannot be made in a minute, the figures of
earlier days and the hour before, is written by the functions that the gateway itself calls.
"""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from gateway.domain.ids import ProjectId, UserId
from gateway.settings import Settings
from gateway.store.library import LIBRARY
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from gateway.store.usage import UsageWriter
from gateway.store.usage_counts import Failure, UsageCounts
from tests.browser.dashboard.instance import OWNER, Instance, running_instance
from tests.servers import user_headers, wait_for
from tests.stubs.http_stub import Reply
from tests.stubs.in_thread import in_thread
from tests.stubs.twilio import TwilioStub

PROJECT = ProjectId("1")
USERS = 2_000
SENDS = 300
SHOWN = "amara-okafor"
"""The user of the trace."""

_FIRST_NAMES = """
Amara Liam Sofia Noah Mia Lucas Emma Mateo Olivia Elias Hannah Omar Priya Kenji Chloe Ivan Zoe Diego Aisha
Felix Ingrid Tomas Leila Hugo Nora Arjun Freya Samuel Yuki Clara Malik Elena Jonas Maya Pavel Ada Grace Isla
Rafael Wei
"""
_LAST_NAMES = """
Okafor Larsen Rossi Müller Nguyen Silva Novak Kowalski Tanaka Haddad Moreau Petrov Jensen Kaya Andersson
Fischer Costa Iyer Bennett Schneider Dubois Castillo Ferrari Lindqvist Mensah O’Connor Park Weber Hassan
Virtanen Romero Sato Keller Marchetti Bauer Osei Lambert Nakamura Horvat Ricci
"""
PLANS = ("free", "free", "plus", "plus", "business")
CITIES = ("Oslo", "Berlin", "Lyon", "Porto", "Kraków", "Milan", "Leeds", "Utrecht")

# The title, the content and the category, with places for a number.
MESSAGES = (
    ("Order {n} has shipped", "It should arrive on Thursday.", "orders"),
    ("Your invoice for November is ready", "Invoice {n} is due on 14 December.", "billing"),
    ("Your parcel arrives today", "Between 14:00 and 16:00.", "deliveries"),
    ("Back in stock: Oak desk lamp", "You asked us to tell you.", "stock"),
    ("Ingrid replied to your question", "“Yes, the cover can be washed.”", "support"),
    ("Your review is published", "Thank you for helping others choose.", "reviews"),
    ("Return {n} has been received", "We refund € 42.00 within three days.", "returns"),
    ("New sign-in from Firefox on macOS", "If this was not you, change your password.", "security"),
    ("Your gift card expires in a week", "€ 25.00 are left on it.", "gift-cards"),
    ("Price drop: Wool blanket, 30 % off", "It is on your wish list.", "wishlist"),
    ("Payment method expires soon", "The card that ends in 4242 expires in December.", "billing"),
    ("Welcome to Northwind", "Here is how to get the most out of it.", "account"),
)
BROADCASTS = (
    ("Scheduled maintenance on Sunday", "The shop is closed from 02:00 to 04:00 UTC.", "system"),
    ("Free returns until 31 January", "Buy presents now, and decide later.", "offers"),
)


def people() -> list[dict[str, Any]]:
    """Return users with names of their own."""
    chance = random.Random(7)
    pairs = [(first, last) for first in _FIRST_NAMES.split() for last in _LAST_NAMES.split()]
    chance.shuffle(pairs)
    pairs.remove(("Amara", "Okafor"))
    pairs = [("Amara", "Okafor"), *pairs] * 2
    users = []
    for number, (first, last) in enumerate(pairs[:USERS]):
        name = f"{first}-{last}".lower().replace("’", "").replace("ü", "u") + (f"-{number}" if number >= 1600 else "")
        users.append(
            {
                "external_id": name,
                "email": f"{name.replace('-', '.')}@example.com",
                "first_name": first,
                "last_name": last,
                "custom_attributes": {"plan": chance.choice(PLANS), "city": chance.choice(CITIES)},
            }
        )
    return users


@contextlib.contextmanager
def running_northwind(directory: Path) -> Iterator[Instance]:
    """Run the gateway of the shop for a block, with people who are connected."""
    with (
        in_thread(TwilioStub("AC" + 32 * "0", "", "")) as twilio,  # refuses all keys
        running_instance(directory, f"twilio={twilio.url}", is_empty=True) as shop,
    ):
        users = people()
        names = [user["external_id"] for user in users]
        _import(shop, users[::-1])  # the last ones are listed first, and are those who are connected
        _configure(shop)
        with _connected(shop, names[:40]):
            _send(shop, names)
            _operate(shop)
            with ThreadPoolExecutor(1) as thread:  # the browser's loop runs in this one
                thread.submit(asyncio.run, _write_figures(directory / "data" / "valkey" / "valkey.sock")).result()
            yield shop


def _import(shop: Instance, users: list[dict[str, Any]]) -> None:
    for first in range(0, len(users), 500):
        made = shop.request("POST", "/imports", json={"import": {"users": users[first : first + 500]}}).json()["import"]
        path = f"/imports/{made['id']}"
        wait_for(lambda: shop.request("GET", path).json()["import"]["status"] == "processed", "the import", 120)  # noqa: B023


def _configure(shop: Instance) -> None:
    """Name the project, and configure channels, of which one refuses its key."""
    named = {"name": "Northwind", "allowed_origins": ["https://northwind.example"]}
    shop.api(OWNER, "PATCH", f"projects/{PROJECT}", json=named)
    own = f"projects/{PROJECT}/v2/integrations"
    mail = {"api_key": shop.mail.key, "from": {"email": "hello@northwind.example", "name": "Northwind"}}
    shop.api(OWNER, "PUT", f"{own}/sendgrid", json=mail)
    keys = {"account_sid": "AC" + 32 * "0", "api_key": "SK" + 32 * "0", "api_secret": 32 * "x", "from": "+15005550006"}
    shop.api(OWNER, "PUT", f"{own}/twilio", json=keys)
    for name, role in (("Mateo Silva", "admin"), ("Priya Iyer", "editor"), ("Jonas Weber", "viewer")):
        email = f"{name.lower().replace(' ', '.')}@northwind.example"
        shop.api(OWNER, "POST", "admins", json={"email": email, "name": name, "roles": {"*": role}})
    shop.api(OWNER, "PATCH", "me", json={"name": "Sofia Larsen"})


@contextlib.contextmanager
def _connected(shop: Instance, names: list[str]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(httpx.Client(base_url=shop.gateway.url, timeout=60))
        for name in names:
            stack.enter_context(client.stream("GET", "/realtime/sse", headers=user_headers(name)))
        yield


def _send(shop: Instance, names: list[str]) -> None:
    """Send what a shop sends. Some users read it; some mails fail; one user has switched a category off."""
    chance = random.Random(11)
    off = {"categories": [{"key": "billing", "channels": [{"name": "in_app", "enabled": False}]}]}
    shop.request("PUT", "/v2/channels/user_preferences", SHOWN, json=off)
    for number in range(SENDS):
        title, content, category = MESSAGES[min(int(chance.expovariate(0.35)), len(MESSAGES) - 1)]
        some = chance.sample(names[:60], chance.choice((1, 1, 1, 2, 8)))
        fields = {"content": content.format(n=4200 + number), "category": category}
        sent = shop.send(title.format(n=4200 + number), *some, **fields)
        for user in some:
            if chance.random() < 0.4 and user != SHOWN:
                shop.request("POST", f"/notifications/{sent}/read", user)


def _operate(shop: Instance) -> None:
    """Send broadcasts, let some mails fail, and try a message by SMS, which stops its lane."""
    for title, content, category in BROADCASTS:
        body = {"title": title, "content": content, "category": category, "recipients": [{"matches": "*"}]}
        shop.request("POST", "/v2/broadcasts", json=body)
    refusal = {"errors": [{"message": "The address is not valid", "field": "personalizations.0.to", "help": None}]}
    shop.mail.faults.extend([Reply(400, refusal)] * 4)
    arrival = "It should arrive on Friday."
    shop.send("Order 4811 has shipped", SHOWN, "liam-larsen", category="orders", content=arrival)
    shop.send("Invoice 4812 is ready", SHOWN, category="billing", content="It is due on 14 December.")
    shop.request("POST", "/users", json={"user": {"external_id": "elias-novak", "phone_numbers": ["+4915112345678"]}})
    shop.send("New sign-in from Firefox on macOS", "elias-novak", category="security", content="Was it you?")


async def _write_figures(socket: Path) -> None:
    """Count what happened in the hour before, and on the days and in the months before it."""
    client = FunctionClient(Topology(Settings(redis_url=f"unix://{socket}", redis_timeout_seconds=30)), LIBRARY)
    now, chance = time.time(), random.Random(3)
    user = UserId(str(UUID(int=0)))

    async def count(age: float, stored: int) -> None:
        counts = UsageCounts()
        for _ in range(max(1, stored // 9)):
            counts.accepted(PROJECT)
        counts.stored(PROJECT, stored)
        for number in range(stored // 4):
            channel = "email" if number % 3 else "web_push"
            counts.ended(PROJECT, Failure(int(1000 * (now - age)), user, user, channel, "", "delivered", ""))
        await UsageWriter(client, counts, lambda: now - age).write()

    for minute in range(1, 60):
        wave = 60 + 25 * math.sin(minute / 9) + chance.uniform(-9, 9)
        await count(60.0 * minute, int(wave))
        online = int(36 + 6 * math.sin(minute / 14) + chance.uniform(-2, 2))
        writer = UsageWriter(client, UsageCounts(), partial(float, now - 60 * minute))
        await writer.sample_connections([(PROJECT, online)])
    for day in range(1, 60):
        weekday = datetime.fromtimestamp(now - day * 86400, UTC).weekday()
        await count(86400.0 * day, int((900 if weekday > 4 else 1600) + chance.uniform(-150, 150) - 8 * day))
    client.close()
