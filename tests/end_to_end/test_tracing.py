"""Traces of a whole gateway: from a request through Redis to sockets, mails and webhooks, in several processes."""

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.servers import ADMIN, API_KEY, API_SECRET, Gateway, free_port, running_gateway, user_headers, wait_for
from tests.stubs.http_stub import HttpStub, Received, Reply
from tests.stubs.in_thread import in_thread
from tests.stubs.mail_services import SendgridStub
from tests.stubs.otlp_collector import Collector, Span

TITLE, CONTENT, EMAIL, USER = "A title nobody may see", "A content nobody may see", "ada@example.com", "ada-lovelace"
SOCKETS = "deliver to sockets"
SECRETS = (TITLE, CONTENT, EMAIL, USER, API_SECRET, API_KEY, "whsec_")


class Hook(HttpStub):
    """A receiver of webhooks, which keeps their headers."""

    def reply(self, request: Received) -> Reply:
        """Accept a message."""
        return Reply(200)


class Traced:
    """A gateway that exports to a collector, and the stubs that it delivers to."""

    def __init__(self, gateway: Gateway, collector: Collector, mail: SendgridStub, hook: Hook, http: httpx.Client):
        self.gateway = gateway
        self.collector = collector
        self.mail = mail
        self.hook = hook
        self.http = http
        self.sent: list[str] = []

    def send(self, parent: str = "", **more: Any) -> tuple[httpx.Response, str]:
        """Send a notification, and return the response and the id of the notification."""
        user = {"external_id": USER, "email": EMAIL}
        body = {"notification": {"title": TITLE, "content": CONTENT, "recipients": [user], **more}}
        headers = {**ADMIN, **({"traceparent": parent} if parent else {})}
        response = self.http.post("/notifications", headers=headers, json=body)
        assert response.status_code == 201, response.text
        self.sent.append(response.json()["notification"]["id"])
        return response, self.sent[-1]

    def webhooks_linked_to(self, trace_id: str) -> set[str]:
        """Return the events of the webhooks that are linked to a trace."""
        return {span.attributes["inbox.event"] for span in self.collector.linked_to(trace_id, "deliver webhook")}

    def ended(self) -> bool:
        """Return whether all mails have ended."""
        found = self.http.get("/v2/events", headers=ADMIN, params={"type": "delivery.ended", "page[size]": 100})
        mails = [each["context"] for each in found.json()["data"] if each["context"]["channel"] == "email"]
        return set(self.sent) <= {each["notification_id"] for each in mails}


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    with ExitStack() as stack:
        mail, hook = stack.enter_context(in_thread(SendgridStub())), stack.enter_context(in_thread(Hook()))
        collector = stack.enter_context(in_thread(Collector()))
        gateway = stack.enter_context(
            running_gateway(
                tmp_path_factory.mktemp("t") / "data",
                INBOX_WORKERS="2",
                INBOX_MAX_CONNECTIONS_PER_USER="500",
                INBOX_DELIVERY_WORKERS="1",
                INBOX_PROVIDER_URLS=f"sendgrid={mail.url}",
                INBOX_OUTBOUND_ALLOWED_NETWORKS="127.0.0.0/8",
                INBOX_TRACES="on",
                OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
                OTEL_EXPORTER_OTLP_HEADERS="authorization=Basic%20a-secret-of-the-collector",
                OTEL_SERVICE_NAME="inbox",
                OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
                OTEL_BSP_SCHEDULE_DELAY="50",
            )
        )
        http = stack.enter_context(httpx.Client(base_url=gateway.url, timeout=30))
        config = {"api_key": mail.key, "from": {"email": "shop@example.com"}}
        assert http.put("/v2/integrations/sendgrid", headers=ADMIN, json=config).status_code == 200
        assert http.post("/v2/webhooks/endpoints", headers=ADMIN, json={"url": hook.url}).status_code == 201
        wait_for(lambda: '"delivery_ready"' in gateway.log, "the process that delivers", 60)
        wait_for(lambda: '"event": "ready"' in gateway.log, "both workers", 60)
        yield Traced(gateway, collector, mail, hook, http)


def new_parent(*, sampled: bool = True) -> tuple[str, str, str]:
    """Return a `traceparent`, and the ids of its trace and span."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    return f"00-{trace_id}-{span_id}-{'01' if sampled else '00'}", trace_id, span_id


@contextmanager
def open_socket(gateway: Gateway) -> Iterator[tuple[ClientConnection, str]]:
    """Open a live connection of the user, and yield it with the id of its worker."""
    protocols = [Subprotocol("inbox.v1")]
    with connect(gateway.websocket_url, additional_headers=user_headers(USER), subprotocols=protocols) as socket:
        ready = json.loads(socket.recv(30))
        yield socket, str(ready["connection_id"]).partition("-")[0]


def test_one_trace_leads_from_a_request_to_sockets_of_two_workers_a_mail_and_a_webhook(traced: Traced) -> None:
    with ExitStack() as stack:
        by_worker: dict[str, int] = {}
        while len(by_worker) < 2:
            assert sum(by_worker.values()) < 400, "the system gives all connections to one worker"
            socket, worker = stack.enter_context(open_socket(traced.gateway))
            by_worker[worker] = by_worker.get(worker, 0) + 1
        parent, trace_id, span_id = new_parent()
        response, notification_id = traced.send(parent)
        event = json.loads(socket.recv(30))
        while event["type"] != "event":
            event = json.loads(socket.recv(30))
        wait_for(lambda: len(traced.collector.of_trace(trace_id, SOCKETS)[SOCKETS]) == 2, "both")
        names = ("POST /notifications", "deliver email", "send sendgrid", "deliver webhook", "POST")
        found = traced.collector.of_trace(trace_id, *names)

    def one(name: str) -> Span:
        (span,) = found[name]
        return span

    request, mail, sent, webhook, post = map(one, names)
    (create,) = [span for name, spans in found.items() if name.startswith("FCALL create_each_sent") for span in spans]
    assert (request.kind, request.parent_id) == ("SERVER", span_id)
    assert request.attributes["http.request.method"] == "POST"
    assert request.attributes["http.route"] == request.attributes["url.path"] == "/notifications"
    assert request.attributes["http.response.status_code"] == 201
    assert request.attributes["server.address"] == "127.0.0.1"
    assert request.attributes["server.port"] == traced.gateway.port
    assert request.attributes["inbox.request_id"] == response.headers["X-Request-Id"]
    assert (create.kind, create.parent_id) == ("CLIENT", request.id)
    assert create.attributes["db.system.name"] == "redis"
    assert create.attributes["db.stored_procedure.name"] == "create_each_sent"
    for span in found[SOCKETS]:
        assert (span.kind, span.parent_id) == ("CONSUMER", create.id)
        assert span.attributes["inbox.event"] == "notifications/new"
    sockets = {span.resource["service.instance.id"]: span.attributes["inbox.connections"] for span in found[SOCKETS]}
    assert sockets == by_worker
    assert (mail.kind, mail.parent_id, mail.is_error) == ("CONSUMER", request.id, False)
    assert mail.attributes["inbox.notification_id"] == notification_id
    assert (sent.kind, sent.parent_id) == ("CLIENT", mail.id)
    assert (webhook.kind, webhook.parent_id) == ("CONSUMER", request.id)
    assert (post.kind, post.parent_id, post.attributes["http.response.status_code"]) == ("CLIENT", webhook.id, 200)
    assert {span.resource["inbox.process"] for span in (mail, sent, webhook, post)} == {"deliverer"}
    assert request.resource["service.name"] == "inbox"
    assert request.resource["deployment.environment.name"] == "test"
    # The receiver of the webhook goes on with the trace; the provider of mails, a third party, learns nothing of it.
    created = [each for each in traced.hook.requests if each.json["type"] == "notification.created"]
    arrived = [each.headers for each in created if notification_id.encode() in each.body]
    assert [each["traceparent"] for each in arrived] == [f"00-{trace_id}-{post.id}-01"]
    assert "traceparent" not in str(traced.mail.requests).lower()
    assert response.headers["Server-Timing"] == f'traceparent;desc="00-{trace_id}-{request.id}-01"'
    assert trace_id not in json.dumps(event)
    assert f'"trace_id": "{trace_id}"' in traced.gateway.log


def test_what_a_user_does_reaches_the_sockets_of_the_other_devices_in_its_trace(traced: Traced) -> None:
    parent, sent_trace_id, _ = new_parent()
    _, notification_id = traced.send(parent)
    wait_for(traced.ended, "the mails, which a deletion would cancel", 60)
    with open_socket(traced.gateway):
        for method, path in (
            ("POST", "/notifications/seen"),
            ("POST", f"/notifications/{notification_id}/read"),
            ("DELETE", f"/notifications/{notification_id}"),
        ):
            parent, trace_id, _ = new_parent()
            headers = {**user_headers(USER), "traceparent": parent}
            assert traced.http.request(method, path, headers=headers).status_code == 204
            found = traced.collector.of_kinds(trace_id, "SERVER", "CLIENT", "CONSUMER")
            assert [span.name for span in found if span.kind == "CONSUMER"] == [SOCKETS]
    # A webhook about it is a trace of its own, with a link to the request that sent the notification.
    wait_for(lambda: "notification.read" in traced.webhooks_linked_to(sent_trace_id), "the webhook", 60)


def test_an_outcome_that_is_no_success_is_an_error_without_the_text_of_the_provider(traced: Traced) -> None:
    wait_for(traced.ended, "the mails of earlier tests", 60)
    fault = {"message": f"{EMAIL} is not valid", "field": "personalizations"}
    traced.mail.faults.append(Reply(400, {"errors": [fault]}))
    parent, trace_id, _ = new_parent()
    traced.send(parent)
    found = traced.collector.of_trace(trace_id, "deliver email")
    assert found["deliver email"][0].is_error
    assert found["send sendgrid"][0].is_error


def test_turns_of_a_broadcast_are_traces_of_their_own_with_links(traced: Traced) -> None:
    parent, trace_id, _ = new_parent()
    body = {"title": TITLE, "recipients": [{"matches": "*"}]}
    response = traced.http.post("/broadcasts", headers={**ADMIN, "traceparent": parent}, json={"broadcast": body})
    assert response.status_code == 201, response.text
    (request,) = traced.collector.of_trace(trace_id, "POST /broadcasts")["POST /broadcasts"]
    for name in ("job broadcast", "send sendgrid"):
        found = wait_for(partial(traced.collector.linked_to, trace_id, name), name, 60)
        assert {span.parent_id for span in found} == {""}
        assert {link for span in found for link in span.links} == {(trace_id, request.id)}


def test_without_a_sampled_parent_nothing_is_exported_and_the_log_still_names_the_trace(traced: Traced) -> None:
    parent, trace_id, _ = new_parent(sampled=False)
    response, _ = traced.send(parent)
    assert "Server-Timing" not in response.headers
    wait_for(lambda: f'"trace_id": "{trace_id}"' in traced.gateway.log, "the line of the request", 30)
    assert trace_id not in {span.trace_id for span in traced.collector.spans}


def test_what_was_exported_and_logged_has_no_secrets_and_nothing_of_users(traced: Traced) -> None:
    parent, _, _ = new_parent()
    traced.http.get(f"/users/external_id:{USER}", headers={**ADMIN, "traceparent": parent})
    exported = b"".join(request.body for request in traced.collector.requests)
    assert exported
    assert not [secret for secret in SECRETS if secret.encode() in exported]
    assert "a-secret-of-the-collector" not in traced.gateway.log
    assert {request.headers["authorization"] for request in traced.collector.requests} == {
        "Basic a-secret-of-the-collector"
    }


def test_without_a_collector_requests_and_the_end_are_not_delayed_and_the_log_has_one_line(tmp_path: Path) -> None:
    with running_gateway(
        tmp_path / "data",
        INBOX_TRACES="on",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}/a-key-in-the-address",
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
        OTEL_BSP_SCHEDULE_DELAY="20",
        OTEL_BSP_MAX_QUEUE_SIZE="50",
    ) as gateway:
        with httpx.Client(base_url=gateway.url, timeout=30, headers=user_headers(USER)) as http:
            while "spans_not_exported" not in gateway.log:
                assert http.get("/notifications").status_code == 200
            metrics = http.get("/metrics").text
        (dropped,) = [line for line in metrics.splitlines() if line.startswith("inbox_spans_dropped_total ")]
        assert float(dropped.split()[1]) > 0
        assert gateway.stop() == 0
        assert gateway.log.count("spans_not_exported") == 1
        assert "a-key-in-the-address" not in gateway.log
        assert "library_message" not in gateway.log


def test_a_gateway_that_ends_exports_what_is_left(tmp_path: Path) -> None:
    with in_thread(Collector()) as collector:
        with running_gateway(
            tmp_path / "data",
            INBOX_TRACES="on",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_BSP_SCHEDULE_DELAY="600000",
        ) as gateway:
            parent, trace_id, _ = new_parent()
            headers = {**user_headers(USER), "traceparent": parent}
            assert httpx.get(f"{gateway.url}/notifications", headers=headers).status_code == 200
            assert not collector.requests
            gateway.stop()
        assert "GET /notifications" in {span.name for span in collector.spans if span.trace_id == trace_id}
