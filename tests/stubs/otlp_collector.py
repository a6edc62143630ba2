"""A collector of traces on the loopback, which reads what arrives with OpenTelemetry's own protocol buffers."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from tests.servers import wait_for
from tests.stubs.http_stub import HttpStub, Received, Reply

SECONDS = 60.0


class Span(NamedTuple):
    """A span that was exported. Ids are in hexadecimal; `resource` are the attributes of the process."""

    name: str
    kind: str
    trace_id: str
    id: str
    parent_id: str
    attributes: dict[str, Any]
    links: list[tuple[str, str]]
    is_error: bool
    resource: dict[str, Any]


class Collector(HttpStub):
    """The collector. `spans` are those that it has accepted."""

    def reply(self, request: Received) -> Reply:
        """Accept an export."""
        assert request.path == "/v1/traces", request.path
        assert request.headers["content-type"] == "application/x-protobuf"
        return Reply(200)

    @property
    def spans(self) -> list[Span]:
        """Return all spans, in the order of their arrival."""
        found = []
        for request in tuple(self.requests):
            message = ExportTraceServiceRequest.FromString(request.body)
            for resource in message.resource_spans:
                process = _values(resource.resource.attributes)
                found += [_span(each, process) for scope in resource.scope_spans for each in scope.spans]
        return found

    def of_trace(self, trace_id: str, *names: str) -> dict[str, list[Span]]:
        """Wait until a trace has spans of all these names, and return its spans by name."""
        found: dict[str, list[Span]] = {}

        def are_there() -> bool:
            found.clear()
            for span in self._in(trace_id):
                found.setdefault(span.name, []).append(span)
            return set(names) <= found.keys()

        wait_for(are_there, f"{names} in {trace_id}", SECONDS)
        return found

    def of_kinds(self, trace_id: str, *kinds: str) -> list[Span]:
        """Wait until a trace has spans of all these kinds, and return its spans."""
        wait_for(lambda: set(kinds) <= {span.kind for span in self._in(trace_id)}, f"{kinds} in {trace_id}", SECONDS)
        return self._in(trace_id)

    def linked_to(self, trace_id: str, name: str) -> list[Span]:
        """Return the spans of a name that have links to a trace."""
        return [span for span in self.spans if span.name == name and trace_id in {each[0] for each in span.links}]

    def _in(self, trace_id: str) -> list[Span]:
        return [span for span in self.spans if span.trace_id == trace_id]


def _span(message: SpanMessage, resource: dict[str, Any]) -> Span:
    return Span(
        message.name,
        SpanMessage.SpanKind.Name(message.kind).removeprefix("SPAN_KIND_"),
        message.trace_id.hex(),
        message.span_id.hex(),
        message.parent_span_id.hex(),
        _values(message.attributes),
        [(each.trace_id.hex(), each.span_id.hex()) for each in message.links],
        message.status.code == message.status.STATUS_CODE_ERROR,
        resource,
    )


def _values(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in pairs}
