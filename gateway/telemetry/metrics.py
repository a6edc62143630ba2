"""The Prometheus metrics, and the log of a process that has metrics (`gateway.telemetry.logs`).

With several workers, prometheus_client reads PROMETHEUS_MULTIPROC_DIR when this module is imported. The supervisor sets
it in the environment of the workers.
"""

from prometheus_client import Counter, Gauge, Histogram

from gateway.telemetry import logs
from gateway.telemetry.tallies import REQUEST_BOUNDS

CONNECTIONS = Gauge("inbox_connections", "Open live connections.", ["transport"], multiprocess_mode="livesum")
SUBSCRIBED_USERS = Gauge("inbox_subscribed_users", "Users with an open connection.", multiprocess_mode="livesum")
OPENED = Counter("inbox_connections_opened", "Live connections that received `ready`.", ["transport"])
CLOSED = Counter("inbox_connections_closed", "Live connections closed by the gateway.", ["reason"])
DELIVERED = Counter("inbox_events_delivered", "Events written to connections, live and replayed.")
DELIVERY_SECONDS = Histogram(
    "inbox_delivery_seconds",
    "Time from the write in Redis to the write to the user's last socket, by the clocks of Redis and the worker.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
SLOW_READERS = Counter(
    "inbox_slow_readers_closed", "Connections closed because the client read nothing of what was buffered for it."
)
RESUMES = Counter(
    "inbox_resumes", "Connections that resumed from a position and received the events that they had missed."
)
RESETS = Counter("inbox_resets", "Times a connection was sent `reset`, by reason.", ["reason"])
GAPS = Counter("inbox_gaps_healed", "Log reads after a live event that did not follow the previous one.")
RESYNCS = Counter("inbox_resyncs", "Users whose log was read again after the subscription was interrupted.")
REDIS_CALLS = Counter("inbox_redis_calls", "Calls of Redis functions; several may share a round trip.", ["function"])
REDIS_ERRORS = Counter("inbox_redis_errors", "Round trips to Redis that failed.")
STORE_PROBLEM = Gauge(
    "inbox_store_problem",
    "1 while the store fails for this cause, by the error code that clients receive; otherwise 0.",
    ["cause"],
    multiprocess_mode="livemax",
)
TASK_FAILURES = Counter("inbox_task_failures", "Times a long-running task failed and was started again.", ["task"])
PROBE_SECONDS = Gauge(
    "inbox_pubsub_delay_seconds",
    "Time that the last probe message took through Redis pub/sub, of the process with the longest.",
    multiprocess_mode="livemax",
)
RATE_LIMITED = Counter(
    "inbox_rate_limited", "Calls refused because the caller's limit per minute was used up.", ["kind"]
)
NEW_USERS_REFUSED = Counter(
    "inbox_new_users_refused",
    "Calls and connections of unknown users refused because too many arrived without proof of identity.",
)
LIMIT_REFUSALS = Counter(
    "inbox_project_limit_refusals", "Requests that a limit of their project refused, by the limit.", ["limit"]
)
RATE_LIMIT_FAILURES = Counter("inbox_rate_limit_failures", "Calls that could not be counted and were allowed.")
JOBS_RUNNING = Gauge("inbox_jobs_running", "Jobs that are running.", multiprocess_mode="livesum")
JOBS_FINISHED = Counter("inbox_jobs_finished", "Jobs that have finished, or failed for good.", ["kind"])
ITEMS_TRIMMED = Counter("inbox_items_trimmed", "Items that sweeps removed under their project's retention.")
USERS_SWEPT = Counter("inbox_users_swept", "Users whose inboxes sweeps checked.")
ACTIVE_USERS = Gauge(
    "inbox_active_users",
    "Users of all projects who were active in this calendar month, within 0.81 %; at most a minute old.",
    multiprocess_mode="livemostrecent",
)
UNCOUNTED_ACTIVE_USERS = Counter(
    "inbox_uncounted_active_users",
    "Times a user could not be counted as active, because too many counts were waiting for Redis.",
)
DELIVERIES = Counter(
    "inbox_deliveries",
    "Attempts to deliver, by what became of them: `delivered`, `handed` (the result comes later), `retry`, "
    "`throttled`, `parked`, `dead`, `refused`, `unknown`, `skipped`.",
    ["channel", "provider", "outcome"],
)
DELIVERY_REQUEST_SECONDS = Histogram(
    "inbox_delivery_request_seconds",
    "Time that a provider took to respond.",
    ["provider"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20),
)
ACCEPTED_TO_DELIVERED_SECONDS = Histogram(
    "inbox_accepted_to_delivered_seconds",
    "Time from the acceptance of a notification, plus the delay of its channel, until a provider had accepted it.",
    ["channel"],
    buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200, 43200, 86400),
)
DELIVERIES_IN_FLIGHT = Gauge(
    "inbox_deliveries_in_flight", "Users whose deliveries are being sent.", multiprocess_mode="livesum"
)
DELIVERY_LAG_SECONDS = Gauge(
    "inbox_delivery_lag_seconds",
    "How late the last deliveries of each channel were claimed, without those that a lane held back.",
    ["channel"],
    multiprocess_mode="livemax",
)
PARKED_LANES = Counter(
    "inbox_delivery_lanes_parked", "Times that a provider's configuration stopped deliveries.", ["provider"]
)
TOKENS_DISCARDED = Counter(
    "inbox_delivery_tokens_discarded", "Channel tokens that a provider reported as dead.", ["provider"]
)
CLAIMS_LOST = Counter(
    "inbox_delivery_claims_lost", "Claims that were held for longer than their lease, so that others may take them."
)
PROJECT_TAILS = Gauge("inbox_project_tails", "Open tails of projects' events.", multiprocess_mode="livesum")
PROJECT_EVENTS_DROPPED = Counter(
    "inbox_project_events_dropped",
    "Events of projects that are missing in their logs, because too many were waiting for Redis.",
)
LOG_LINES_DROPPED = Counter(
    "inbox_log_lines_dropped", "Log lines that were dropped because nothing read standard error for too long."
)
SPANS_EXPORTED = Counter("inbox_spans_exported", "Spans of traces that the collector has accepted.")
SPANS_DROPPED = Counter(
    "inbox_spans_dropped", "Spans of traces that were dropped, because the collector did not accept them fast enough."
)
BODY_BYTES = Gauge(
    "inbox_body_bytes", "Bytes of request bodies that are being received or processed.", multiprocess_mode="livesum"
)
BODIES_REFUSED = Counter(
    "inbox_bodies_refused", "Requests refused because too many bytes of bodies were being received or processed."
)
RESPONSES_GIVEN_UP = Counter(
    "inbox_answers_given_up", "Responses cut off because too many bytes were pending for clients that read slowly."
)
REQUESTS = Counter("inbox_http_requests", "REST requests.", ["operation", "status"])
REQUEST_SECONDS = Histogram(
    "inbox_http_request_seconds",
    "Time from the start of an operation until its response, by route, method, and class of the status such as `2xx`.",
    ["route", "method", "status"],
    buckets=REQUEST_BOUNDS,
)
REFUSED = Counter("inbox_http_refused", "Requests that were not valid HTTP, or were too large.", ["status"])


def configure_logging(level: str) -> None:
    """Log to standard error from now on, see `gateway.telemetry.logs`, and count the lines that are dropped."""
    logs.configure_logging(level).on_dropped = LOG_LINES_DROPPED.inc
