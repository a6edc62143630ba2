"""Revoking all tokens of a user that were issued before a point in time."""

import time

import httpx
import pytest

from tests.api.inbox import code, messages
from tests.api.tokens import bearer, claims_of, issue, token
from tests.servers import ADMIN, user_headers

YEAR = 365 * 24 * 3600


async def test_every_token_issued_before_a_time_is_refused_whatever_signed_it(
    http: httpx.AsyncClient, user: str
) -> None:
    now = int(time.time())
    issued = await issue(http, user)
    own = {"old": now - 100, "older": now - 200, "silent": None, "new": now + 100}
    signed = {name: token(claims_of(user, iat=iat)) for name, iat in own.items()}

    async def statuses() -> dict[str, int]:
        everything = signed | {"issued": issued["token"]}
        return {name: (await http.get("/config", headers=bearer(one))).status_code for name, one in everything.items()}

    path = f"/users/external_id:{user}/revoke_tokens"
    response = await http.post(path, headers=ADMIN, json={"issued_before": now - 150})
    assert response.json() == {"issued_before": now - 150}
    assert await statuses() == {"old": 200, "older": 401, "silent": 401, "new": 200, "issued": 200}
    assert (await http.post(path, headers=ADMIN)).json()["issued_before"] >= now
    assert await statuses() == {"old": 401, "older": 401, "silent": 401, "new": 200, "issued": 401}
    (listed,) = (await http.get(f"/v2/jwt/user/external_id:{user}", headers=ADMIN)).json()["data"]
    assert listed["discarded_at"]
    assert (await http.post(path, headers=ADMIN, json={"issued_before": 0})).json()["issued_before"] >= now
    assert (await http.get("/config", headers=user_headers(user))).status_code == 200, "HMACs are not tokens"


@pytest.mark.parametrize("ahead", [3600, 10 * YEAR, 1_700_000_000_000], ids=["an-hour", "ten-years", "milliseconds"])
async def test_a_token_of_the_future_does_not_outlast_a_revocation(
    http: httpx.AsyncClient, user: str, ahead: int
) -> None:
    headers = bearer(token(claims_of(user, iat=int(time.time()) + ahead)))
    assert (await http.get("/config", headers=headers)).status_code == 200
    (await http.post(f"/users/external_id:{user}/revoke_tokens", headers=ADMIN)).raise_for_status()
    response = await http.get("/config", headers=headers)
    assert (response.status_code, code(response)) == (401, "token_revoked")


async def test_a_token_that_is_issued_in_the_second_of_a_revocation_is_accepted_until_the_next_revocation(
    http: httpx.AsyncClient, user: str
) -> None:
    path, tokens = f"/users/external_id:{user}/revoke_tokens", [(await issue(http, user))["token"]]
    for _ in range(3):  # all within a second, at least on most machines
        before = (await http.post(path, headers=ADMIN)).json()["issued_before"]
        tokens += [(await issue(http, user))["token"], token(claims_of(user, iat=before))]
        statuses = [(await http.get("/config", headers=bearer(each))).status_code for each in tokens]
        assert statuses == [401] * (len(tokens) - 2) + [200, 200]
        tokens.pop()  # the next revocation may leave a token that the backend dates ahead


async def test_a_time_in_the_future_is_refused(http: httpx.AsyncClient, user: str) -> None:
    await issue(http, user)
    body = {"issued_before": int(time.time()) + 3600}
    response = await http.post(f"/users/external_id:{user}/revoke_tokens", headers=ADMIN, json=body)
    assert (response.status_code, messages(response)) == (422, ["Param 'issued_before' must not be in the future"])
