"""Steps per second of the adversarial trainings: ours, the tutorial's loop, the floor."""

import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

import torch

from benchmarks.games import GAMES, Step, loops
from benchmarks.timing import Spread, Turn, interleaved, paired_ratio
from benchmarks.training import settings, show


class Row(NamedTuple):
    """A line of the table; the ratios are times over ours, by the round."""

    name: str
    steps_per_s: float
    tutorial: Spread
    floor: Spread
    goal: float


def repeated(step: Step, times: int) -> Step:
    """A turn: several steps, so that reading the clock costs nothing beside them."""

    def turn() -> None:
        for _ in range(times):
            step()

    return turn


def row(name: str, turns: Mapping[str, Sequence[Turn]], steps: int) -> Row:
    """The line of one game, from the times of its turns."""
    wall = {loop: [turn.wall for turn in turned] for loop, turned in turns.items()}
    return Row(
        name,
        steps / statistics.median(wall["ours"]),
        paired_ratio(wall["tutorial"], wall["ours"]),
        paired_ratio(wall["floor"], wall["ours"]),
        GAMES[name].goal,
    )


def measure(name: str, device: str, threads: int, rounds: int, steps: int = 10) -> Row:
    """Time one game on one device, in this process."""
    torch.set_num_threads(threads)
    things = {loop: repeated(step, steps) for loop, step in loops(GAMES[name], device).items()}
    synchronise = torch.cuda.synchronize if device == "cuda" else lambda: None
    return row(name, interleaved(things, rounds, synchronise), steps)


def report(rows: Sequence[Row]) -> str:
    """The table as text."""
    lines = [f"{'':14}{'steps/s':>9}  {'tutorial over ours':27}{'floor over ours':18}"]
    for line in rows:
        verdict = "met" if line.tutorial.median >= line.goal else "missed"
        goal = f"{show(line.tutorial)} goal {line.goal:g} {verdict}"
        lines.append(f"{line.name:14}{line.steps_per_s:9.1f}  {goal:35}{show(line.floor)}")
    return "\n".join(lines)


def run(*, quick: bool = False) -> list[dict[str, Any]]:
    """Measure every game in every setting, each in a fresh process; print and return the rows."""
    rounds = 3 if quick else 25
    results = []
    for device, threads in settings():
        rows = []
        for name in GAMES:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
                rows.append(fresh.submit(measure, name, device, threads, rounds).result())
        print(
            f"\nAdversarial training on {device}, {threads} thread(s), "
            f"medians (quartiles) of {rounds} rounds"
        )
        print(report(rows), flush=True)
        results.append(
            {"device": device, "threads": threads, "rounds": rounds}
            | {
                "games": [
                    line._asdict()
                    | {"tutorial": line.tutorial._asdict(), "floor": line.floor._asdict()}
                    for line in rows
                ]
            }
        )
    return results
