"""What a project stores."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import Operation
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec, Time
from gateway.domain.times import rfc3339_ms
from gateway.store.storage import Estimate, StorageEstimator, StorageReport


class StorageEstimate(msgspec.Struct):
    """An estimate. The true value is within `margin` of it in 95 % of cases; a margin of 0 means that it is exact."""

    value: Annotated[int, Meta(examples=[1042000])]
    margin: Annotated[int, Meta(examples=[61000])]


class StoredBytes(msgspec.Struct):
    """Bytes in Redis: of the inboxes with all else of their users, names of users, shared contents, and events."""

    inboxes: StorageEstimate
    directory: StorageEstimate
    contents: StorageEstimate
    events: StorageEstimate
    total: StorageEstimate


class Storage(msgspec.Struct):
    """What a project stores.

    `users` is exact. The others are estimated from `sampled_users` of them, chosen at random, and are exact if these
    are all. Redis measures large values by a sample as well, which adds a few percent to the error of bytes.
    """

    measured_at: Time
    users: Annotated[int, Meta(examples=[100000])]
    sampled_users: Annotated[int, Meta(examples=[100])]
    notifications: StorageEstimate
    bytes: StoredBytes


FOUND = ResponseSpec(200, "The estimate", Storage)


@dataclass(frozen=True, slots=True)
class StorageResource:
    """The operation on storage, with what it uses."""

    estimator: StorageEstimator

    async def get(self, call: ProjectCall) -> Response:
        """Return how many users, notifications and bytes the project stores.

        Users are counted; the rest is estimated from 100 users chosen at random, with a margin, so that nothing is
        written for it while notifications are sent. It is measured at most once in ten minutes. Deleted and expired
        notifications do not count. A few users with very large inboxes make the estimate, and its margin, less certain.
        """
        return json_response(_shown(await self.estimator.of_project(call.project.id)))


def _shown(report: StorageReport) -> Storage:
    return Storage(
        rfc3339_ms(report.at_ms),
        report.users,
        report.sampled,
        _estimate(report.items),
        StoredBytes(
            _estimate(report.inbox_bytes),
            StorageEstimate(report.directory_bytes, 0),
            _estimate(report.content_bytes),
            _estimate(report.event_bytes),
            _estimate(report.total),
        ),
    )


def _estimate(estimate: Estimate) -> StorageEstimate:
    return StorageEstimate(estimate.value, estimate.margin)


OPERATIONS = [Operation("GET", "/v2/storage", PROJECT, StorageResource.get, "Estimate the project's storage", FOUND)]
