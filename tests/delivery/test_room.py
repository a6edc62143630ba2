"""The bytes that requests have at once are bounded, and nobody waits for ever."""

import asyncio

from gateway.delivery.room import Room


async def test_nobody_has_more_than_the_room_and_all_are_served_in_order() -> None:
    room, used, order = Room(10), [0], list[int]()
    release = asyncio.Event()

    async def hold(number: int, size: int) -> None:
        async with room.of(size):
            used[0] += min(size, 10)
            assert used[0] <= 10
            order.append(number)
            await release.wait()
            used[0] -= min(size, 10)

    sizes = [6, 6, 4, 100, 1, 0]
    tasks = [asyncio.create_task(hold(number, size)) for number, size in enumerate(sizes)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert order == [0, 5]
    release.set()
    await asyncio.gather(*tasks)
    assert order == [0, 5, 1, 2, 3, 4]


async def test_who_is_cancelled_while_waiting_or_when_served_leaves_its_room_to_others() -> None:
    room = Room(10)
    first = room.of(10)
    await first.__aenter__()
    waiting = [asyncio.create_task(room.of(10).__aenter__()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    await first.__aexit__(None, None, None)  # the second one is served
    waiting[1].cancel()  # before it can run
    async with asyncio.timeout(1):
        await waiting[2]
    assert [task.cancelled() for task in waiting] == [True, True, False]
