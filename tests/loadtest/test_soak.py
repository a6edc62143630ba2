"""The verdict of a soak on flat figures."""

import random

import pytest

from loadtest.scenarios import soak
from loadtest.scenarios.soak import BOUNDS, ONLY_SHOWN, SAMPLES, rise

SECONDS = 3600.0
LEVELS = {"server_kb": 100_000.0, "redis_kb": 20_000.0, "redis_used_kb": 15_000.0, "tasks": 20.0, "files": 1200.0}


def samples(name: str, leaked_a_second: float, noise: float) -> list[dict[str, float]]:
    """Return samples of an hour. They are flat except for noise, a warm-up, and one figure that leaks."""
    chance = random.Random(name)
    found = []
    for number in range(SAMPLES):
        seconds = number * SECONDS / SAMPLES
        warming = 0.2 * min(0.0, seconds - SECONDS / 5) / SECONDS
        sample = {each: level * (1 + warming) + chance.gauss(0, noise) for each, level in LEVELS.items()}
        sample[name] += leaked_a_second * seconds
        found.append({"threads": 9.0, **dict.fromkeys(ONLY_SHOWN, 0.0), **sample, "seconds": seconds})
    return found


def too_much(found: list[dict[str, float]]) -> set[str]:
    growth, allowed = soak._growth(found), soak._allowed(found)
    return {name for name in BOUNDS if growth[name] > allowed[name]}


@pytest.mark.parametrize(
    ("name", "leaked_a_second"),
    [("server_kb", 2.0), ("redis_kb", 1.0), ("redis_used_kb", 1.0), ("tasks", 0.03), ("files", 0.04)],
)
def test_a_slow_leak_is_found(name: str, leaked_a_second: float) -> None:
    assert too_much(samples(name, leaked_a_second, noise=3)) == {name}


def test_noise_and_a_warm_up_are_not_a_leak() -> None:
    assert too_much(samples("server_kb", 0.0, noise=10)) == set()


def test_a_few_outliers_do_not_move_the_line() -> None:
    points = [(float(number), 5.0) for number in range(100)]
    points[-3:] = [(float(number), 1e6) for number in range(97, 100)]
    assert rise(points) == 0.0
