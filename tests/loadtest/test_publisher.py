"""Arrival at a constant rate, and a pool of connections."""

import asyncio

from loadtest.publisher import Pool, at_constant_rate
from loadtest.targets.base import free_port


async def test_each_start_is_due_a_period_after_the_one_before_whatever_happens_between() -> None:
    due: dict[int, float] = {}

    async def one(number: int, moment: float) -> None:
        due[number] = moment
        await asyncio.sleep(0.02)  # longer than a period: the next ones do not wait for it

    await at_constant_rate(1000.0, 50, one)
    assert list(due) == list(range(50))
    assert all(abs(due[number] - due[0] - number / 1000) < 1e-6 for number in due)


async def test_a_request_that_nobody_answers_is_a_failed_one() -> None:
    status, problem = await Pool("127.0.0.1", free_port()).request(b"GET / HTTP/1.1\r\n\r\n")
    assert status == 0
    assert problem
