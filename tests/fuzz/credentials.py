"""Credentials of every kind: only valid ones give access."""

import hmac
import json
import time
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

from tests.api.tokens import encoded
from tests.fuzz.inputs import CONTROL, Input, bytes_of, json_values, text_of, unusual_texts
from tests.fuzz.target import USER, FuzzTarget
from tests.servers import API_KEY, API_SECRET, user_hmac

HEADERS = {
    "api_key": "X-MAGICBELL-API-KEY",
    "api_secret": "X-MAGICBELL-API-SECRET",
    "user_external_id": "X-MAGICBELL-USER-EXTERNAL-ID",
    "user_email": "X-MAGICBELL-USER-EMAIL",
    "user_hmac": "X-MAGICBELL-USER-HMAC",
    "token": "Authorization",
}

TOKEN = "{token}"
NOW = "now"
"""In a claim, `{"now": 60}` is replaced by the time in a minute."""

_PROOFS = {"{key}": API_KEY, "{secret}": API_SECRET, "{hmac}": user_hmac(USER), "{user}": USER}

_fields = st.fixed_dictionaries(
    {},
    optional={
        "api_key": st.sampled_from(["{key}", "{key}", "{key} ", "{secret}"]) | unusual_texts,
        "api_secret": st.sampled_from(["{secret}x", "{key}", "", "{hmac}"]) | unusual_texts,
        "user_external_id": st.sampled_from(["{user}", "{user}"]) | unusual_texts,
        "user_email": unusual_texts,
        "user_hmac": st.sampled_from(["{hmac}=", "{hmac}x", "", "{secret}"]) | unusual_texts,
        "token": st.sampled_from([TOKEN] * 4) | unusual_texts,
    },
)
_times = st.one_of(
    st.integers(-100, 100).map(lambda seconds: {NOW: seconds}),
    st.integers(),
    st.floats(allow_nan=False),
    json_values,
)
_GOOD_CLAIMS = {"api_key": "{key}", "user_external_id": "{user}", "exp": {NOW: 60}}
_claim_changes = st.fixed_dictionaries(
    {},
    optional={
        "api_key": json_values | unusual_texts,
        "user_external_id": st.just("{user}") | json_values | unusual_texts,
        "user_email": json_values | unusual_texts,
        "exp": _times,
        "nbf": _times,
        "iat": _times,
        "jti": json_values | unusual_texts,
        "inbox_user": json_values | unusual_texts,
        "inbox_project": json_values | unusual_texts,
        "workspace_id": json_values | unusual_texts,
    },
)
_head_changes = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.sampled_from(["none", "HS512", "RS256", "ES256", "hs256"]) | json_values,
        "typ": json_values,
        "kid": json_values | unusual_texts | st.just("workspace-00000000"),
        "crit": json_values,
        "b64": json_values,
        "jku": unusual_texts,
        "jwk": json_values,
    },
)


@st.composite
def _nearly(draw: st.DrawFn, good: dict[str, Any], changes: st.SearchStrategy[dict[str, Any]]) -> Any:
    """Generate a valid object with some fields removed, changed or added, and in rare cases any value."""
    if draw(st.integers(0, 9)) == 0:
        return draw(json_values)
    changed = draw(st.just({}) | changes)
    kept = draw(st.sampled_from([list(good)] * 4 + [[name for name in good if name != gone] for gone in good]))
    return {name: value for name, value in good.items() if name in kept} | changed


inputs: st.SearchStrategy[Input] = st.fixed_dictionaries(
    {
        "headers": st.just({"token": TOKEN}) | _fields,
        "query": st.just({}) | st.just({"token": TOKEN}) | _fields,
        "message": st.just({})
        | st.just({"token": TOKEN})
        | _fields
        | st.dictionaries(st.sampled_from(list(HEADERS)), json_values, max_size=3),
        "token": st.fixed_dictionaries(
            {
                "head": _nearly({"alg": "HS256", "typ": "JWT"}, _head_changes),
                "claims": _nearly(_GOOD_CLAIMS, _claim_changes),
                "signed_with": st.sampled_from(["{secret}"] * 4 + ["{key}", ""]),
                "mangled": st.just([]) | st.just([]) | st.lists(st.integers(0, 500), min_size=1, max_size=2),
            }
        ),
    }
)

USER_PATH, ADMIN_PATH, WORKSPACE_PATH = "/notifications", "/broadcasts", "/workspaces/default/projects"


def check(target: FuzzTarget, tried: Input) -> None:
    """Check that no response is a 500, and that only a valid token gives access.

    Inputs contain no other valid proof.
    """
    token = _token(tried["token"])
    headers = {HEADERS[name]: _written(name, value, token) for name, value in tried["headers"].items()}
    headers = {name: "".join(value.translate(_NO_LINE_ENDS)) for name, value in headers.items()}
    query = urlencode(
        {name: bytes_of(_filled(value, token)) for name, value in tried["query"].items()}, quote_via=quote
    )
    proven = TOKEN in (*tried["headers"].values(), *tried["query"].values()) and _may_be_good(tried["token"])
    for path in (USER_PATH, ADMIN_PATH, WORKSPACE_PATH, "/realtime/events", "/config"):
        response = target.request("GET", path, headers)
        assert not response.is_clear() or proven, (path, response)
    response, _ = target.stream(f"/realtime/sse?{query}", headers, 1)
    assert not response.is_clear() or proven, response
    message = {
        name: _filled(value, token) if isinstance(value, str) else value for name, value in tried["message"].items()
    }
    upgradable = {name: value for name, value in headers.items() if not CONTROL.search(value)}
    messages = target.send_message(
        json.dumps({"type": "auth", **message}).encode(), f"/realtime/ws?{query}", upgradable
    )
    proven = proven or (TOKEN in tried["message"].values() and _may_be_good(tried["token"]))
    assert proven or "ready" not in [message["type"] for message in messages], messages


_NO_LINE_ENDS = {ord(end): None for end in "\r\n"}
"""The characters that end a header. They are removed, as the rest of the value would be another header."""


def _written(name: str, value: str, token: str) -> str:
    """Return a header value in latin-1."""
    return ("Bearer " if name == "token" else "") + text_of(bytes_of(_filled(value, token)))


def _filled(value: str, token: str) -> str:
    for placeholder, proof in {**_PROOFS, TOKEN: token}.items():
        value = value.replace(placeholder, proof)
    return value


def _token(recipe: Input) -> str:
    """Return the token that a recipe describes."""
    signed = f"{encoded(_at_now(recipe['head']))}.{encoded(_at_now(recipe['claims']))}"
    secret = _filled(recipe["signed_with"], "")
    token = f"{signed}.{encoded(hmac.digest(secret.encode(), signed.encode(), 'sha256'))}"
    for at in recipe["mangled"]:
        at %= len(token)
        token = token[:at] + chr(33 + at % 90) + token[at + 1 :]
    return token


def _at_now(value: Any) -> Any:
    """Return a value with its placeholders for times and proofs replaced."""
    match value:
        case {"now": int(seconds)}:
            return int(time.time()) + seconds
        case dict():
            return {name: _at_now(inner) for name, inner in value.items()}
        case list():
            return [_at_now(inner) for inner in value]
        case str():
            return _filled(value, "")
    return value


def _may_be_good(recipe: Input) -> bool:
    """Return whether the token of a recipe is signed with the secret, with the only valid algorithm, and valid now."""
    head, claims = _at_now(recipe["head"]), _at_now(recipe["claims"])
    if not (isinstance(head, dict) and isinstance(claims, dict)) or recipe["signed_with"] != "{secret}":
        return False
    expires_at = claims.get("exp")
    return (
        head.get("alg") == "HS256"
        and claims.get("api_key") == API_KEY
        and isinstance(expires_at, int | float)
        and expires_at > time.time()
    )
