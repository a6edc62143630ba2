"""The same request to data of different sizes, compared in rounds.

One size is requested after the other, in several rounds, so that a disturbance of the machine affects all alike. A
figure is the median of the rounds, a ratio the median of the ratios to the smallest size in each round. The CPU of
Redis is that of its process, which is more than Redis itself reports for its calls.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loadtest.figures import median_or_none
from loadtest.journal import Faults, percentiles
from loadtest.meter import Meter
from loadtest.publisher import Pool, at_constant_rate
from loadtest.targets.gateway import GatewayTarget

ROUNDS = 5
MOST_RATE = 500.0


@dataclass(frozen=True)
class Question:
    """A request to data of one size."""

    target: GatewayTarget
    pool: Pool
    request: bytes


async def compared(questions: Sequence[Question], requests: int, faults: Faults) -> list[dict[str, Any]]:
    """Return the figures of each question, the first of which is about the smallest size. Add to the faults.

    `requests` is the number of requests of each question in all rounds.
    """
    count = max(3, requests // ROUNDS)
    rate = min(MOST_RATE, 0.5 / min([await _seconds(question) for question in [*questions, *questions]]))
    rounds: list[list[dict[str, float]]] = [[] for _ in questions]
    times: list[list[float]] = [[] for _ in questions]
    for _ in range(ROUNDS):
        for index, question in enumerate(questions):
            seconds, figures = await _time(question, rate, count, faults)
            rounds[index].append({**figures, "time_ms": percentiles(seconds)["p50"]})
            times[index] += seconds
    return [
        {
            "time_ms": percentiles(times[index]),
            "time_ratio": _ratio(mine, rounds[0], "time_ms"),
            "cpu_ratio": _ratio(mine, rounds[0], "cpu_us"),
            **{name: median_or_none([figures.get(name) for figures in mine]) for name in mine[0] if name != "time_ms"},
        }
        for index, mine in enumerate(rounds)
    ]


async def _seconds(question: Question) -> float:
    started = time.perf_counter()
    await question.pool.request(question.request)
    return time.perf_counter() - started


async def _time(question: Question, rate: float, count: int, faults: Faults) -> tuple[list[float], dict[str, Any]]:
    seconds: list[float] = []

    async def one(number: int, due: float) -> None:
        status, _ = await question.pool.request(question.request)
        seconds.append(time.perf_counter() - due)
        faults.failed += status != 200

    meter = Meter(question.target)
    await at_constant_rate(rate, count, one)
    return seconds, meter.figures(count)


def _ratio(mine: Sequence[dict[str, float]], smallest: Sequence[dict[str, float]], name: str) -> float | None:
    return median_or_none([one[name] / other[name] for one, other in zip(mine, smallest, strict=True)])
