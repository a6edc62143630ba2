"""Each status and reason of APNs has its outcome (complaint 5: none of them removes good tokens)."""

from typing import Any

import msgspec
import pytest

from gateway.channels.apns_outcomes import DEVICE_PAUSE_SECONDS, KEY_PAUSE_SECONDS, outcome_of
from gateway.channels.apns_push import PROVIDER
from gateway.channels.outcome import Dead, Delivered, Misconfigured, Outcome, Refused, Retry, Scope, Throttled
from gateway.channels.provider import Answer
from tests.channels.push_links import push_to
from tests.stubs.apns import device_token

NOW = 1_800_000_000
ELSEWHERE = "BadDeviceToken: perhaps of the other environment"


def judged(
    status: int, reason: str = "", *, app_works: bool = True, registered_at: int = 0, **destination: Any
) -> Outcome:
    body = msgspec.json.encode({"reason": reason, "timestamp": NOW * 1000}) if reason else b""
    message = push_to(
        PROVIDER,
        {"device_token": device_token(1), **destination},
        registered_at=registered_at,
        config={"app_id": "com.example.app"},
    )
    return outcome_of(Answer(status, {"apns-id": "ABC-1"}, body), message, NOW, app_works=app_works)


@pytest.mark.parametrize(
    ("status", "reason", "outcome"),
    [
        (200, "", Delivered("abc-1")),
        (410, "Unregistered", Dead("Unregistered")),
        (410, "ExpiredToken", Dead("ExpiredToken")),
        (400, "BadDeviceToken", Dead("BadDeviceToken")),
        (400, "DeviceTokenNotForTopic", Dead("DeviceTokenNotForTopic")),
        *((403, each, Misconfigured(each)) for each in ("InvalidProviderToken", "MissingProviderToken", "Forbidden")),
        *((403, each, Misconfigured(each)) for each in ("BadEnvironmentKeyIdInToken", "BadCertificate")),
        *((403, each, Misconfigured(each)) for each in ("BadCertificateEnvironment", "ExpiredProviderToken")),
        *((400, each, Misconfigured(each)) for each in ("BadTopic", "MissingTopic", "TopicDisallowed")),
        (401, "", Misconfigured("HTTP 401")),
        (429, "TooManyRequests", Throttled(DEVICE_PAUSE_SECONDS, Scope.DESTINATION, "TooManyRequests")),
        (
            429,
            "TooManyProviderTokenUpdates",
            Throttled(KEY_PAUSE_SECONDS, Scope.LANE, "TooManyProviderTokenUpdates"),
        ),
        *((500, each, Retry(each)) for each in ("InternalServerError",)),
        *((503, each, Retry(each)) for each in ("ServiceUnavailable", "Shutdown")),
        (400, "IdleTimeout", Retry("IdleTimeout")),
        (413, "PayloadTooLarge", Refused("PayloadTooLarge")),
        *((400, each, Refused(each)) for each in ("PayloadEmpty", "BadCollapseId", "BadExpirationDate")),
        *((400, each, Refused(each)) for each in ("BadPriority", "BadMessageId", "InvalidPushType", "ANewReason")),
        (404, "BadPath", Refused("BadPath")),
        (405, "MethodNotAllowed", Refused("MethodNotAllowed")),
        (302, "", Retry("HTTP 302")),
        (400, "not a reason, and long enough to be a text of the message", Refused("HTTP 400")),
    ],
)
def test_a_reason_has_its_outcome(status: int, reason: str, outcome: Outcome) -> None:
    assert judged(status, reason) == outcome


def test_a_body_that_is_no_json_has_the_status_as_its_reason() -> None:
    message = push_to(PROVIDER, {"device_token": device_token(1)})
    for body in (b"<html>", b"\xff", b"[1]", b'{"reason": 7}'):
        assert outcome_of(Answer(503, {}, body), message, NOW, app_works=True) == Retry("HTTP 503")
    assert outcome_of(Answer(503, {"retry-after": "7"}, b""), message, NOW, app_works=True) == Retry("HTTP 503", 7)
    assert outcome_of(Answer(200, {}, b""), message, NOW, app_works=True) == Delivered(str(message.id))


def test_a_token_that_was_registered_again_is_kept() -> None:
    assert isinstance(judged(410, "Unregistered", registered_at=NOW + 1), Retry)
    assert judged(410, "Unregistered", registered_at=NOW - 1) == Dead("Unregistered")


@pytest.mark.parametrize(
    ("destination", "app_works", "outcome"),
    [
        ({}, False, Refused(ELSEWHERE)),
        ({}, True, Dead("BadDeviceToken")),
        ({"installation_id": "development"}, False, Dead("BadDeviceToken")),
    ],
)
def test_a_token_is_discarded_only_if_its_environment_is_known(
    destination: dict[str, Any], app_works: bool, outcome: Outcome
) -> None:
    assert judged(400, "BadDeviceToken", app_works=app_works, **destination) == outcome


def test_a_wrong_app_id_parks_the_lane_only_if_the_project_chose_it() -> None:
    reason = "DeviceTokenNotForTopic"
    assert judged(400, reason, app_works=False) == Misconfigured(reason, is_doubted=True)
    for each in (reason, "TopicDisallowed", "BadTopic"):
        assert judged(400, each, app_works=False, app_id="com.example.other") == Refused(each)
    assert judged(400, "TopicDisallowed", app_id="com.example.app") == Misconfigured("TopicDisallowed")
