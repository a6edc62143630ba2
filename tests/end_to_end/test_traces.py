"""Traces of real deliveries: a gateway with its process that delivers, and stubs of providers."""

import subprocess
import sys
from typing import Any

import httpx

from tests.end_to_end.test_delivery import TWILIO, Providers, address, name, number, providers
from tests.servers import ADMIN, wait_for

__all__ = ["name", "providers"]


def trace(providers: Providers, user: str, notification: str) -> dict[str, Any]:
    path = f"/v2/users/external_id:{user}/notifications/{notification}/trace"
    found: dict[str, Any] = httpx.get(providers.gateway.url + path, headers=ADMIN, timeout=10).raise_for_status().json()
    assert address(user) not in str(found)
    assert number(user) not in str(found)
    return found


def post(providers: Providers, path: str) -> httpx.Response:
    return httpx.post(providers.gateway.url + path, headers=ADMIN, timeout=10)


def test_what_was_read_before_its_delay_ended_says_so_on_the_command_line_too(providers: Providers, name: str) -> None:
    category = providers.configure({"channel": "in_app"}, {"channel": "email", "delay": 2})
    sent = providers.send(name, category=category)
    waiting = trace(providers, name, sent)["verdict"]
    assert "a mail has not been sent and is due at " in waiting
    providers.mark(name, sent, "read")
    assert providers.ended(sent, "email")["state"] == "skipped"
    found = trace(providers, name, sent)
    assert found["verdict"].endswith("; no mail was sent because it was read before the delay of 2 seconds ended.")
    assert [step["type"] for step in found["steps"]][-1] == "delivery"
    command = [sys.executable, "-m", "gateway", "explain", name, sent]
    environment = providers.gateway.environment | {"INBOX_DATA_DIR": str(providers.gateway.data_dir)}
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True).stdout
    assert " ".join(printed.split("\n\n")[0].split()) == found["verdict"]


def test_a_failed_delivery_is_retried_after_the_fault_was_corrected(providers: Providers, name: str) -> None:
    providers.sms.errors[number(name)] = (21614, 400)
    sent = providers.send(name)
    assert providers.ended(sent, "sms")["state"] == "dead"
    found = trace(providers, name, sent)
    assert "no SMS was delivered because Twilio knows no such number any more (21614" in found["verdict"]
    assert "a mail was accepted by SendGrid at " in found["verdict"]
    path = f"/v2/users/external_id:{name}/notifications/{sent}/deliveries"
    refused = post(providers, f"{path}/email/retry")
    assert (refused.status_code, refused.json()["errors"][0]["message"]) == (409, "It was delivered")
    assert post(providers, f"{path}/sms/retry").status_code == 201
    wait_for(lambda: "failed for good before" in trace(providers, name, sent)["verdict"], "the retry to end", 30)


def test_a_wrong_password_parks_the_lane_and_saving_the_right_one_sends(providers: Providers, name: str) -> None:
    try:
        providers.put("twilio", TWILIO | {"api_secret": "another-secret-than-that-of-twilio"})
        sent = providers.send(name)
        wait_for(lambda: "are stopped" in trace(providers, name, sent)["verdict"], "the lane to be parked", 30)
        lanes = httpx.get(f"{providers.gateway.url}/v2/delivery/lanes", headers=ADMIN).json()["data"]
        (lane,) = [each for each in lanes if each["lane"] == "sms"]
        assert (lane["state"], lane["waiting"]) == ("parked", 1)
        assert providers.texts(name) == []
    finally:
        providers.put("twilio", TWILIO)
    wait_for(lambda: providers.texts(name), "the message", 30)
    wait_for(lambda: "an SMS was handed to Twilio" in trace(providers, name, sent)["verdict"], "its outcome", 30)


def test_a_template_that_fails_keeps_no_mail_from_its_recipient(providers: Providers, name: str) -> None:
    category = providers.configure({"channel": "in_app"}, {"channel": "email"})
    templates = {"subject": "For {{ recipient.email }}", "title": "{{ 7 | divided_by: notification.topic }}"}
    providers.put("templates", {"email": {"categories": {category: templates}}})
    sent = providers.send(name, category=category)
    assert providers.ended(sent, "email")["state"] == "delivered"
    (mail,) = providers.mails(name)
    assert f"For {address(name)}" in str(mail)
    (step,) = [step for step in trace(providers, name, sent)["steps"] if step["type"] == "template"]
    assert f"email.categories.{category}.title: line 1: {{{{ 7 | divided_by: notification.topic }}}}" in step["text"]
