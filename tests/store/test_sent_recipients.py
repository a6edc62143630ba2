"""The lists of recipients, of requests and of broadcasts."""

from uuid import UUID, uuid4

from gateway.store import keys
from gateway.store.sent_recipients import SentRecipients
from tests.store.conftest import InspectedClient, new_user


async def test_recipients_of_requests_and_broadcasts_are_read_by_place(client: InspectedClient) -> None:
    recipients, users = SentRecipients(client), [new_user() for _ in range(5)]
    project, ids = users[0].project_id, [user.id for user in users]
    request, broadcast, unknown = (str(uuid4()) for _ in range(3))
    await recipients.record(project, request, ids[:3])
    await recipients.record(project, request, ids[:3])
    await client.redis.set(keys.reached(project, broadcast), b"".join(UUID(each).bytes for each in ids))
    reached, nobody, named = await recipients.lists(project, [broadcast, unknown, request])
    assert [each.size for each in (reached, nobody, named)] == [5, 0, 3]
    assert await recipients.lists(project, []) == []
    assert await recipients.read([]) == []
    parts = [(reached, 4, 1), (reached, 1, 3), (named, 0, 1), (named, 2, 10), (named, 3, 1), (nobody, 0, 1)]
    assert await recipients.read(parts) == [ids[4:], ids[1:4], ids[:1], ids[2:3], [], []]
    assert 0 < await client.redis.ttl(keys.sent_recipients(project, request)) <= 30 * 24 * 3600
