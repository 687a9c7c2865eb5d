"""Make ``dgm_teach/runs/gan-training.json``: the runs of the toy GANs over several seeds.

``python -m tools.gan_runs`` took about 15 minutes of processor time; with names of parts it makes
these anew and keeps the others. Every figure in the file is measured by this script; the chapter on
training a GAN reads it, and a test repeats its first steps.
"""

import datetime
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from dgm_teach.data import minibatches
from dgm_teach.gan import GAN, discriminator_step, generator_step
from dgm_teach.gan_training import GANStep, train_gan
from dgm_teach.generate import evaluating
from dgm_teach.modes import grid_centres, mode_coverage, ring_centres
from dgm_teach.nets import mlp
from dgm_teach.points import gaussian_grid, gaussian_ring
from dgm_teach.rng import make_generator

RESULT = Path(__file__).parent.parent / "dgm_teach" / "runs" / "gan-training.json"
SEEDS = range(5)
NUM_STEPS = 12_000
NUM_SAMPLES = 2500  # as in the published tables
NOISE_SD = {"ring": 0.15, "grid": 0.35}
LR = {"ring": 2e-3, "grid": 3e-3}
STD = {"ring": 0.01, "grid": 0.025}


def points(name: str, generator: torch.Generator) -> Tensor:
    """The training set: 51,200 points, 200 batches."""
    if name == "ring":
        return gaussian_ring(51_200, radius=1.0, std=STD[name], generator=generator)
    return gaussian_grid(51_200, spacing=1.0, std=STD[name], generator=generator)


def centres(name: str) -> Tensor:
    """Means of the modes."""
    return ring_centres(radius=1.0) if name == "ring" else grid_centres(spacing=1.0)


def new_gan(seed: int, pack_size: int = 1) -> GAN:
    """Both players of the chapter, with random weights."""
    torch.manual_seed(seed)
    generator = mlp([2, 128, 128, 2], nn.LeakyReLU)
    return GAN(generator, mlp([2 * pack_size, 128, 128, 1], nn.LeakyReLU), 2, pack_size)


def adam(gan: GAN, lr_discriminator: float, lr_generator: float) -> tuple[torch.optim.Adam, ...]:
    """The optimisers of the discriminator and of the generator."""
    pairs = ((gan.discriminator, lr_discriminator), (gan.generator, lr_generator))
    return tuple(
        torch.optim.Adam(player.parameters(), lr=lr, betas=(0.0, 0.99), fused=True)
        for player, lr in pairs
    )


def score(name: str, generator: nn.Module) -> dict[str, float]:
    """The three measures of 2,500 samples."""
    z = torch.randn(NUM_SAMPLES, 2, generator=make_generator(99))
    with evaluating(generator):
        found = mode_coverage(generator(z), centres(name), std=STD[name])
    return {
        "num_modes": found.num_modes,
        "high_quality": round(found.high_quality, 4),
        "reverse_kl": round(found.reverse_kl, 4),
    }


def train(
    name: str, seed: int, *, num_steps: int = NUM_STEPS, stop: int | None = None
) -> tuple[list[GANStep], GAN, AveragedModel]:
    """The chapter's training, or its first steps."""
    data = make_generator(seed)
    x, gan = points(name, data), new_gan(seed)
    optimizers = adam(gan, LR[name], LR[name])
    average = AveragedModel(gan.generator, multi_avg_fn=get_ema_multi_avg_fn(0.995))
    record = train_gan(
        gan, (optimizers[0], optimizers[1]), x, num_steps=stop or num_steps, average=average,
        noise_sd=NOISE_SD[name], generator=data, loss_of=torch.neg,
        schedulers=tuple(LinearLR(opt, 1.0, 0.0, total_iters=num_steps) for opt in optimizers),
    )  # fmt: skip
    return record, gan, average


def whole_run(name: str, seed: int) -> dict[str, Any]:
    """Train once, and score the average and the last weights."""
    start = time.process_time()
    _, gan, average = train(name, seed)
    seconds = round(time.process_time() - start, 1)
    last = score(name, gan.generator)
    return {"seed": seed, **score(name, average), "last_weights": last, "cpu_seconds": seconds}


def slow_discriminator(seed: int, *, disc_steps: int = 1, pack_size: int = 1) -> dict[str, Any]:
    """The collapse of the chapter: the reverse KL every 20 steps, and the score at the end."""
    data = make_generator(seed)
    x, gan = points("ring", data), new_gan(seed, pack_size)
    optimizers = adam(gan, 1e-4, 1e-3)
    batches = endless_batches(x, data)
    curve = []
    for step in range(1, 401):
        for _ in range(disc_steps):
            discriminator_step(gan, optimizers[0], next(batches), generator=data)
        generator_step(gan, optimizers[1], next(batches), generator=data)
        if step % 20 == 0:
            curve.append(score("ring", gan.generator)["reverse_kl"])
    return {"seed": seed, **score("ring", gan.generator), "curve": curve}


def endless_batches(x: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    """Batches of 128, in a new order in every round through the data."""
    while True:
        yield from minibatches(x, 128, generator=generator)


def first_steps(num_steps: int = 20, *, seed: int = 0) -> list[list[float]]:
    """Both losses of the first steps on the grid, for the test that repeats them."""
    record, _, _ = train("grid", seed, stop=num_steps)
    return [[round(float(value), 4) for value in step] for step in record]


PARTS: dict[str, Callable[[], Any]] = {
    "first_steps": first_steps,
    "ring": lambda: [whole_run("ring", seed) for seed in SEEDS],
    "grid": lambda: [whole_run("grid", seed) for seed in SEEDS],
    "slow": lambda: [slow_discriminator(seed) for seed in SEEDS],
    "slow_ten_steps": lambda: [slow_discriminator(seed, disc_steps=10) for seed in SEEDS],
    "slow_packed": lambda: [slow_discriminator(seed, pack_size=4) for seed in SEEDS],
}


def main(names: list[str]) -> None:
    """Make the parts and write the file after each."""
    result: dict[str, Any] = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {}
    for name in names:
        result[name] = PARTS[name]()
        result |= {
            "command": "python -m tools.gan_runs",
            "date": datetime.date.today().isoformat(),
            "machine": f"{platform.machine()} CPU, torch {torch.__version__}",
            "seeds": list(SEEDS),
        }
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:] or list(PARTS))
