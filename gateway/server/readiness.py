"""Whether a worker should receive requests, for `/readyz`."""

from gateway.live.hub import Hub
from gateway.store.formats import FormatWatch
from gateway.store.redis.subscriber import Subscriber
from gateway.store.watch import StoreWatch


class Readiness:
    """Combines the state of a worker with the problems that were found in its store."""

    def __init__(self, hub: Hub, formats: FormatWatch, watch: StoreWatch, subscriber: Subscriber):
        self._hub = hub
        self._formats = formats
        self._watch = watch
        self._subscriber = subscriber

    def reason_not_ready(self) -> str:
        """Return the code of the reason why this worker should receive no requests, "" when it should."""
        if self._hub.draining:
            return "draining"
        if self._formats.problem is not None:
            return "store_format_unknown"
        problem = self._watch.problem
        if problem is not None and problem.replied:
            return problem.code.kind.code
        return "" if self._subscriber.healthy else "redis_unavailable"
