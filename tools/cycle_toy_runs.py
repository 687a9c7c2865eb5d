"""Make ``dgm_teach/runs/cycle-toy.json``: which map a small CycleGAN finds, 128 runs a condition.

``python -m tools.cycle_toy_runs`` takes about seven minutes on one core. Every figure in the file
is measured by this script. The chapter on points with a known truth reads it, and a test repeats
the first steps of one condition.
"""

import datetime
import json
import math
import platform
from itertools import permutations, product
from pathlib import Path
from typing import Any, NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from dgm_teach.cyclegan import CycleGAN
from dgm_teach.modes import ring_centres
from dgm_teach.points import two_moons
from dgm_teach.rng import make_generator
from dgm_teach.symmetries import identify, nearest_isometry
from dgm_teach.toy_translation import stacked_cyclegan, train_stack

RESULT = Path(__file__).parent.parent / "dgm_teach" / "runs" / "cycle-toy.json"
COPIES, NUM_STEPS, NUM_TRAIN, NUM_HELD = 128, 500, 2000, 1000
RING_STD, MOON_STD = 0.1, 0.05
MIDDLE = torch.tensor([0.5, 0.25])


class Condition(NamedTuple):
    """One row of the chapter's table; the seed is its place in the list."""

    shape: str
    angle: float
    lambda_id: float = 0.0
    num_pairs: int = 0
    masses: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25)
    num_steps: int = NUM_STEPS


NUM_SHOWN = 160  # points of the first run of each kind that are stored
SHOWN = ("square, no help", "square, unequal masses", "moons, no help, 30°", "moons, identity, 30°")
UNEQUAL = (0.4, 0.3, 0.2, 0.1)
CONDITIONS = {
    "square, no help": Condition("square", 30.0),
    "square, identity, 30°": Condition("square", 30.0, lambda_id=0.5),
    "square, identity, 60°": Condition("square", 60.0, lambda_id=0.5),
    "square, 1 pair": Condition("square", 30.0, num_pairs=1),
    "square, 2 pairs": Condition("square", 30.0, num_pairs=2),
    "square, 5 pairs": Condition("square", 30.0, num_pairs=5),
    "square, unequal masses": Condition("square", 30.0, masses=UNEQUAL),
    "moons, no help, 30°": Condition("moons", 30.0),
    "moons, no help, 150°": Condition("moons", 150.0),
    "moons, identity, 30°": Condition("moons", 30.0, lambda_id=0.5),
    "moons, identity, 150°": Condition("moons", 150.0, lambda_id=0.5),
    "moons, 1 pair, 150°": Condition("moons", 150.0, num_pairs=1),
    "square, unequal, long": Condition("square", 30.0, masses=UNEQUAL, num_steps=2000),
}


def rotation(degrees: float) -> Tensor:
    """The matrix that turns the plane."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return torch.tensor([[c, -s], [s, c]])


def to_arc(y: Tensor) -> Tensor:
    """Distance to the upper half of the circle of radius 1 about 0."""
    end = torch.tensor([1.0, 0.0])
    to_ends = torch.minimum((y - end).norm(dim=1), (y + end).norm(dim=1))
    return torch.where(y[:, 1] >= 0, (y.norm(dim=1) - 1).abs(), to_ends)


def draw(condition: Condition, n: int, copies: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points of Y and the part that each belongs to: blob 0 to 3, or moon 0 or 1."""
    if condition.shape == "square":
        weights = torch.tensor(condition.masses)
        part = torch.multinomial(weights, n * copies, replacement=True, generator=g)
        centres = ring_centres(num_modes=4, radius=1.0)
        y = centres[part] + RING_STD * torch.randn(n * copies, 2, generator=g)
    else:
        y = two_moons(n * copies, std=MOON_STD, generator=g)
        part, y = (to_arc(2 * MIDDLE - y) < to_arc(y)).long(), y - MIDDLE
    return y.view(n, copies, 2), part.view(n, copies)


def candidates(condition: Condition, y: Tensor, part: Tensor) -> tuple[list[str], Tensor]:
    """Names of the maps that may be found, and where each sends the held-out points."""
    names, maps = [], []
    if condition.shape == "square":
        centres = ring_centres(num_modes=4, radius=1.0)
        for order in permutations(range(4)):
            ahead, mirrored = ({(p + s * i) % 4 for i, p in enumerate(order)} for s in (-1, 1))
            kind = "reflection" if len(mirrored) == 1 else "permutation"
            kind = ("rotation" if min(ahead) else "true") if len(ahead) == 1 else kind
            names.append(kind)
            maps.append(centres[list(order)][part])
    else:
        upper = (part == 0)[:, None]
        for swap, flip_upper, flip_lower in product((False, True), repeat=3):
            across = torch.where(upper, -MIDDLE, MIDDLE) * 2 - y
            mirror = torch.stack([across[:, 0], y[:, 1]], dim=1)
            flips = (upper & flip_upper) | (~upper & flip_lower)
            moved = torch.where(flips, mirror, y)
            names.append("flipped" if flip_upper or flip_lower else "turned" if swap else "true")
            maps.append(-moved if swap else moved)
    return names, torch.stack(maps)


def train(
    name: str, num_steps: int | None = None, copies: int = COPIES
) -> tuple[list[tuple[float, float]], CycleGAN, torch.Generator]:
    """The training of one condition, its first steps only if there are fewer of them."""
    condition, seed = CONDITIONS[name], list(CONDITIONS).index(name)
    g, turn = make_generator(seed), rotation(condition.angle)
    x_train = draw(condition, NUM_TRAIN, copies, g)[0] @ turn
    y_train = draw(condition, NUM_TRAIN, copies, g)[0]
    pairs = draw_pairs(condition, copies, g)[0] if condition.num_pairs else None
    torch.manual_seed(seed)
    model = stacked_cyclegan(copies)
    record = train_stack(
        model, x_train, y_train, num_steps=num_steps or condition.num_steps,
        schedule_steps=condition.num_steps, lambda_id=condition.lambda_id, pairs=pairs, generator=g,
    )  # fmt: skip
    return record, model, g


def draw_pairs(
    condition: Condition, copies: int, g: torch.Generator
) -> tuple[tuple[Tensor, Tensor], list[bool]]:
    """Pairs for each copy, and whether all of its blobs lie on one axis of the square."""
    y, part = draw(condition, condition.num_pairs, copies, g)
    if condition.shape == "square":
        y = ring_centres(num_modes=4, radius=1.0)[part]
    on_axis = (part % 2 == part[:1] % 2).all(dim=0)
    return (y @ rotation(condition.angle), y), on_axis.tolist()


def in_proportion(condition: Condition, part: Tensor) -> Tensor:
    """Rows of 300 points whose parts are as frequent as in the distribution itself."""
    masses = condition.masses if condition.shape == "square" else (0.5, 0.5)
    wanted = [round(300 * mass) for mass in masses]
    return torch.cat([(part == j).nonzero()[:n, 0] for j, n in enumerate(wanted)])


def w1(x: Tensor, y: Tensor) -> float:
    """Wasserstein distance of two samples of one size, by the cheapest pairing."""
    cost = torch.cdist(x, y)
    return cost[linear_sum_assignment(cost.numpy())].mean().item()


def whole_condition(name: str) -> dict[str, Any]:
    """Train 128 times, and measure what each generator does with the same held-out points."""
    condition = CONDITIONS[name]
    _, model, g = train(name)
    y, part = (values[:, 0] for values in draw(condition, NUM_HELD, 1, g))
    rows = in_proportion(condition, part)
    fresh, other = (in_order(condition, g) for _ in range(2))
    x = (y @ rotation(condition.angle))[:, None].expand(-1, COPIES, -1)
    with torch.no_grad():
        moved = model.gen_xy(x)
        cycle = (model.gen_yx(moved) - x).abs().sum(dim=2).mean(dim=0)
    names, maps = candidates(condition, y, part)
    found = identify(moved, maps)
    error = (moved - y[:, None]).square().sum(dim=2).mean(dim=0).sqrt()
    kinds = [names[i] if i >= 0 else "none" for i in found.which.tolist()]
    return {
        "kind": kinds,
        "part": part[:NUM_SHOWN].tolist(),
        "example": {
            kind: rounded_points(moved[:NUM_SHOWN, kinds.index(kind)])
            for kind in (sorted(set(kinds)) if name in SHOWN else [])
        },
        "limit": round(found.limit, 4),
        "distance": rounded(found.distance),
        "error": rounded(error),
        "cycle": rounded(cycle),
        "w1": rounded(torch.tensor([w1(moved[rows, i], fresh) for i in range(COPIES)])),
        "mirrored": [mirrored(x[:, 0], moved[:, i]) for i in range(COPIES)],
        "on_axis": on_axis(name),
        "w1_data": round(w1(other, fresh), 4),
    }


def in_order(condition: Condition, g: torch.Generator) -> Tensor:
    """300 new points of Y, with as many of each part as the masses say."""
    y, part = (values[:, 0] for values in draw(condition, NUM_HELD, 1, g))
    return y[in_proportion(condition, part)]


def mirrored(x: Tensor, y: Tensor) -> bool:
    """Whether the nearest isometry has a mirror in it."""
    return bool(torch.linalg.det(nearest_isometry(x, y)[0]) < 0)


def on_axis(name: str) -> list[bool]:
    """For each copy, whether its pairs leave a mirror open; the same draws as in training."""
    condition, g = CONDITIONS[name], make_generator(list(CONDITIONS).index(name))
    if not condition.num_pairs:
        return []
    for _ in range(2):
        draw(condition, NUM_TRAIN, COPIES, g)
    return draw_pairs(condition, COPIES, g)[1]


def rounded(values: Tensor) -> list[float]:
    """Four digits after the point."""
    return [round(value, 4) for value in values.tolist()]


def rounded_points(points: Tensor) -> list[list[float]]:
    """Two digits after the point: enough for a picture."""
    return [[round(value, 2) for value in point] for point in points.tolist()]


def first_steps(name: str = "square, 2 pairs", num_steps: int = 5) -> list[list[float]]:
    """Both terms of the first steps of four copies, for the test that repeats them."""
    return [[round(value, 5) for value in step] for step in train(name, num_steps, copies=4)[0]]


def main() -> None:
    """Make the file."""
    result = {
        "first_steps": first_steps(),
        "conditions": {name: whole_condition(name) for name in CONDITIONS},
        "command": "python -m tools.cycle_toy_runs",
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()} CPU, torch {torch.__version__}",
        "seeds": list(range(len(CONDITIONS))),
    }
    RESULT.write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
