"""Steps per second of the adversarial trainings: ours, the tutorial's loop, the floor."""

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any, NamedTuple

import torch

from benchmarks import games, translation
from benchmarks.floor import floor_of
from benchmarks.games import Step
from benchmarks.timing import Spread, Turn, interleaved, paired_ratio
from benchmarks.training import settings, show


class Contest(NamedTuple):
    """What makes a loop on a device, ours and the tutorial's, and the goal for tutorial / ours."""

    ours: Callable[[str], Step]
    tutorial: Callable[[str], Step]
    goal: float

    def loops(self, device: str) -> dict[str, Step]:
        """The three that are compared."""
        step = self.ours(device)
        return {"ours": step, "tutorial": self.tutorial(device), "floor": floor_of(step)}


CONTESTS = {
    name: Contest(partial(games.ours, game), partial(games.tutorial, game), game.goal)
    for name, game in games.GAMES.items()
} | {
    f"CycleGAN, {n:2}": Contest(
        partial(translation.ours, n), partial(translation.tutorial, n), goal
    )
    for n, goal in translation.GOALS.items()
}


class Row(NamedTuple):
    """A line of the table; the ratios are times over ours, by the round; memory is of a process."""

    name: str
    steps_per_s: float
    tutorial: Spread
    floor: Spread
    goal: float
    memory_mb: tuple[float, float] = (0.0, 0.0)


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
        CONTESTS[name].goal,
    )


def measure(name: str, device: str, threads: int, rounds: int, steps: int = 10) -> Row:
    """Time one game on one device, in this process."""
    torch.set_num_threads(threads)
    things = {loop: repeated(step, steps) for loop, step in CONTESTS[name].loops(device).items()}
    synchronise = torch.cuda.synchronize if device == "cuda" else lambda: None
    return row(name, interleaved(things, rounds, synchronise), steps)


def peak(name: str, device: str, loop: str, steps: int = 10) -> float:
    """Most memory in MB that this process has held after some steps; on a GPU, that of the GPU."""
    torch.set_num_threads(1)
    step: Step = getattr(CONTESTS[name], loop)(device)
    repeated(step, steps)()
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def report(rows: Sequence[Row]) -> str:
    """The table as text."""
    heads = f"{'tutorial over ours':35}{'floor over ours':20}{'MB, ours and tutorial':>21}"
    lines = [f"{'':14}{'steps/s':>9}  {heads}"]
    for line in rows:
        verdict = "met" if line.tutorial.median >= line.goal else "missed"
        goal = f"{show(line.tutorial)} goal {line.goal:g} {verdict}"
        memory = " and ".join(f"{mb:.0f}" for mb in line.memory_mb)
        ratios = f"{goal:35}{show(line.floor):20}{memory:>21}"
        lines.append(f"{line.name:14}{line.steps_per_s:9.1f}  {ratios}")
    return "\n".join(lines)


def in_fresh(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(function, *arguments).result()


def run(*, quick: bool = False) -> list[dict[str, Any]]:
    """Measure every game in every setting, each in a fresh process; print and return the rows."""
    rounds = 3 if quick else 25
    results = []
    for device, threads in settings():
        rows = []
        for name in CONTESTS:
            memory = [in_fresh(peak, name, device, loop) for loop in ("ours", "tutorial")]
            line = in_fresh(measure, name, device, threads, rounds)
            rows.append(line._replace(memory_mb=tuple(memory)))
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
