"""The reads that are compared: the responses of a gateway about the golden data."""

from collections.abc import Sequence
from typing import Any

import httpx

from tests.servers import ADMIN, user_headers

READ_BY_USERS = (
    "/v2/notifications?limit=100",
    "/notifications?per_page=100",
    "/notifications?topics=order:1",
    "/notifications?read=true",
)
ALSO_READ = ("/notification_preferences", "/subscriptions", "/subscriptions/order:1")
READ_BY_ADMINS = (
    "/v2/jwt/user/external_id:ada",
    "/v2/jwt/project",
    "/v2/channels/deliveryconfig?key=status",
    "/v2/integrations",
)


def read_responses(http: httpx.Client, jobs: Sequence[str]) -> dict[str, Any]:
    """Return the responses to all reads, by caller and path. `jobs` are the paths of jobs."""
    found = {}
    for user in ("ada", "cat", "imported-1"):
        for path in (*READ_BY_USERS, *ALSO_READ):
            found[f"{user} {path}"] = _recorded(http.get(path, headers=user_headers(user)))
    for path in READ_BY_ADMINS:
        # The recordings have the size of a page in their links, and were made when the default was another one.
        found[f"admin {path}"] = _recorded(http.get(path, params={"page[size]": 20}, headers=ADMIN))
    for path in jobs:
        found[f"admin {path}"] = _recorded(http.get(path, headers=ADMIN))
    return found


def _recorded(response: httpx.Response) -> Any:
    return {
        "status": response.status_code,
        "position": response.headers.get("X-Inbox-Position"),
        "body": response.json(),
    }
