"""Throughput of training the VAE: ours, the usual loop, the same on ready tensors, the floor."""

import math
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

import torch

from benchmarks.loops import BATCH_SIZE, LOOPS
from benchmarks.pieces import PIECES, Part, breakdown
from benchmarks.timing import Spread, Turn, interleaved, paired_ratio
from dgm_teach.data import mnist5k

GOALS = {"tutorial": 2.5, "ready tensors": 1.5}


class Row(NamedTuple):
    """A line of the table; ratios are times of this loop over times of ours, by the round."""

    name: str
    images_per_s: float
    ms_per_step: float
    cpu_ms_per_step: float
    ratio: Spread
    cpu_ratio: Spread


def table(turns: Mapping[str, Sequence[Turn]], num_images: int) -> list[Row]:
    """One row for each loop, from the times of whole epochs."""
    steps = math.ceil(num_images / BATCH_SIZE)
    wall = {name: [turn.wall for turn in turns[name]] for name in LOOPS}
    cpu = {name: [turn.cpu for turn in turns[name]] for name in LOOPS}
    return [
        Row(
            name,
            num_images / statistics.median(wall[name]),
            1e3 * statistics.median(wall[name]) / steps,
            1e3 * statistics.median(cpu[name]) / steps,
            paired_ratio(wall[name], wall["ours"]),
            paired_ratio(cpu[name], cpu["ours"]),
        )
        for name in LOOPS
    ]


def parts(turns: Mapping[str, Sequence[Turn]], num_images: int) -> list[Part]:
    """Breakdown of our step, from the median times of whole epochs."""
    steps = math.ceil(num_images / BATCH_SIZE)
    medians = {
        name: 1e3 * statistics.median(turn.wall for turn in turned) / steps
        for name, turned in turns.items()
    }
    return breakdown(medians)


def measure(
    device: str, threads: int, rounds: int, num_images: int = 4000
) -> tuple[list[Row], list[Part]]:
    """Time everything on one device, in this process."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    x = mnist5k().x_train[:num_images].to(device)
    things = {name: make(x) for name, make in (LOOPS | PIECES).items()}
    synchronise = torch.cuda.synchronize if x.is_cuda else lambda: None
    turns = interleaved(things, rounds, synchronise)
    return table(turns, num_images), parts(turns, num_images)


def goal_met(row: Row) -> bool | None:
    """Whether the loop takes as many times our time as is the goal; None where there is none."""
    return row.ratio.median >= GOALS[row.name] if row.name in GOALS else None


def report(rows: Sequence[Row], shares: Sequence[Part]) -> str:
    """Both tables as text."""
    head = f"{'':14}{'images/s':>9}{'ms/step':>9}{'CPU ms':>8}"
    lines = [f"{head}  {'time over ours':18}  {'CPU time over ours':18}"]
    for row in rows:
        goal = {None: "", True: "  goal {} met", False: "  goal {} missed"}[goal_met(row)]
        lines.append(
            f"{row.name:14}{row.images_per_s:9.0f}{row.ms_per_step:9.3f}{row.cpu_ms_per_step:8.3f}"
            f"  {show(row.ratio):18}  {show(row.cpu_ratio):18}{goal.format(GOALS.get(row.name))}"
        )
    lines.append("Where our step's time goes:")
    lines += [f"{part.share:7.1%} {part.ms_per_step:7.3f} ms  {part.name}" for part in shares]
    return "\n".join(lines)


def show(spread: Spread) -> str:
    """Median and quartiles as text."""
    return f"{spread.median:.2f} ({spread.low:.2f}–{spread.high:.2f})"


def settings() -> list[tuple[str, int]]:
    """Devices and numbers of threads to measure on."""
    return [("cpu", 1), ("cpu", 2)] + [("cuda", 1)] * torch.cuda.is_available()


def run(*, quick: bool = False) -> list[dict[str, Any]]:
    """Measure every setting in a process of its own, print the tables and return them."""
    rounds = 3 if quick else 25
    results = []
    for device, threads in settings():
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            rows, shares = fresh.submit(measure, device, threads, rounds).result()
        print(
            f"\nTraining on {device}, {threads} thread(s), medians (quartiles) of {rounds} epochs"
        )
        print(report(rows, shares), flush=True)
        results.append(
            {"device": device, "threads": threads, "rounds": rounds}
            | {"loops": [as_dict(row) for row in rows]}
            | {"step": [part._asdict() for part in shares]}
        )
    return results


def as_dict(row: Row) -> dict[str, Any]:
    """A row for the file, with its goal if it has one."""
    spreads = {"ratio": row.ratio._asdict(), "cpu_ratio": row.cpu_ratio._asdict()}
    return row._asdict() | spreads | {"goal": GOALS.get(row.name), "goal_met": goal_met(row)}
