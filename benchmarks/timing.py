"""Interleaved timing: what is compared takes turns, so that a busy machine slows all of it."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Turn(NamedTuple):
    """Seconds of one turn: by the clock, and of this process on all its processors."""

    wall: float
    cpu: float


class Spread(NamedTuple):
    """Median and quartiles."""

    median: float
    low: float
    high: float


def interleaved(
    things: Mapping[str, Callable[[], object]], rounds: int, synchronise: Callable[[], object]
) -> dict[str, list[Turn]]:
    """Time A B C … A B C …, after one round that does not count."""
    turns: dict[str, list[Turn]] = {name: [] for name in things}
    for _ in range(rounds + 1):
        for name, thing in things.items():
            turns[name].append(one_turn(thing, synchronise))
    return {name: counted for name, (_, *counted) in turns.items()}


def one_turn(thing: Callable[[], object], synchronise: Callable[[], object]) -> Turn:
    """Time one call, the device's work included."""
    synchronise()
    wall, cpu = time.perf_counter(), time.process_time()
    thing()
    synchronise()
    return Turn(time.perf_counter() - wall, time.process_time() - cpu)


def paired_ratio(times: Sequence[float], reference: Sequence[float]) -> Spread:
    """Median and quartiles of the ratios within each round."""
    ratios = [one / other for one, other in zip(times, reference, strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Spread(median, low, high)
