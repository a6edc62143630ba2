"""Endpoints whose requests are spans. They are used only with INBOX_TRACES=on."""

from typing import TypeGuard

from opentelemetry.trace import Span, SpanKind
from starlette.responses import Response

from gateway.api.core.call import PUBLIC
from gateway.api.core.endpoint import Endpoint, EndpointContext
from gateway.api.core.operation import BoundOperation
from gateway.api.core.requests import ApiRequest
from gateway.domain.principal import UserPrincipal
from gateway.telemetry.logs import user_hash
from gateway.telemetry.spans import CURRENT, Spans, current_trace_id, failed, from_headers, traceparent

_INCOMING = "/webhooks/incoming/"
"""What the paths have that providers call: without credentials of ours, but their requests send notifications."""

SERVER_ERROR = 500


def is_traced(operation: BoundOperation) -> bool:
    """Return whether requests to an operation are spans: all but those of pages, files, probes and metrics."""
    return operation.row.caller is not PUBLIC or _INCOMING in operation.row.path


class TracedEndpoint(Endpoint):
    """An endpoint whose requests are spans, as the semantic conventions of HTTP servers have them."""

    def __init__(self, operation: BoundOperation, context: EndpointContext, spans: Spans):
        super().__init__(operation, context)
        self._spans = spans
        self._proxies = context.proxies
        self._name = f"{self.method} {self.path}"
        self._fixed = {"http.request.method": self.method, "http.route": self.path}

    async def __call__(self, request: ApiRequest) -> Response:
        """Return the response, with the span in its header `Server-Timing`."""
        span = self._spans.begin(self._name, SpanKind.SERVER, self._fixed, from_headers(request.headers))
        token = CURRENT.set(span)
        try:
            response = await super().__call__(request)
            if span.is_recording():
                self._describe(span, request, response.status_code)
                timing = f'traceparent;desc="{traceparent(span.get_span_context())}"'
                response.raw_headers.append((b"server-timing", timing.encode()))
            return response
        except BaseException as problem:  # the server ends
            failed(span, type(problem).__name__)
            raise
        finally:
            CURRENT.reset(token)
            span.end()

    def _describe(self, span: Span, request: ApiRequest, status: int) -> None:
        """Add what is known at the end. The path has ids of objects only, as in the log, and a user is a hash."""
        called, principal = request.forwarded(self._proxies), request.principal
        attributes: dict[str, str | int] = {
            "url.scheme": called.scheme,
            "url.path": self._logged.path(request.path_params),
            "http.response.status_code": status,
            "inbox.request_id": request.request_id,
        }
        if called.host:
            host, _, port = called.host.rpartition(":") if _has_port(called.host) else (called.host, "", "")
            attributes["server.address"] = host.strip("[]")
            if port:
                attributes["server.port"] = int(port)
        if principal is not None:
            attributes["inbox.project_id"] = principal.project.id
        if _is_user(principal):
            attributes["inbox.user_hash"] = user_hash(principal.project.id, principal.user.id)
        span.set_attributes(attributes)
        if status >= SERVER_ERROR:
            failed(span, str(status))

    def _log(self, request: ApiRequest, status: int, milliseconds: float, trace: str = "") -> None:
        trace_id = current_trace_id()
        super()._log(request, status, milliseconds, f', "trace_id": "{trace_id}"' if trace_id else trace)


def _is_user(principal: object) -> TypeGuard[UserPrincipal]:
    return isinstance(principal, UserPrincipal)


def _has_port(host: str) -> bool:
    _, separator, port = host.rpartition(":")
    return bool(separator) and port.isdigit()
