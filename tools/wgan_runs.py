"""Make ``dgm_teach/runs/wgan-ring.json``: the Wasserstein GAN of the chapter from five seeds.

``python -m tools.wgan_runs`` takes about two minutes on one core. Every figure in the file is
measured by this script; the chapter on the Wasserstein distance reads it, and a test repeats its
first steps.
"""

import datetime
import json
import platform
from pathlib import Path
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.optim import Adam
from torch.optim.lr_scheduler import LinearLR

from dgm_teach.gan import GAN
from dgm_teach.generate import evaluating
from dgm_teach.modes import mode_coverage, ring_centres
from dgm_teach.nets import mlp
from dgm_teach.points import gaussian_ring
from dgm_teach.rng import make_generator
from dgm_teach.wgan import CriticStep, train_wgan

RESULT = Path(__file__).parent.parent / "dgm_teach" / "runs" / "wgan-ring.json"
SEEDS = range(5)
NUM_STEPS = 1200


def train(seed: int, num_steps: int = NUM_STEPS) -> tuple[list[CriticStep], GAN, torch.Generator]:
    """The chapter's training, its first steps only if there are fewer of them."""
    g = make_generator(seed)
    x_train = gaussian_ring(20_000, radius=1.0, std=0.01, generator=g)
    torch.manual_seed(seed)
    gan = GAN(mlp([2, 64, 64, 64, 2]), mlp([2, 64, 64, 64, 1]), latent_dim=2)
    critic, generator = (
        Adam(net.parameters(), lr=6e-3, betas=(0.0, 0.99), fused=True)
        for net in (gan.discriminator, gan.generator)
    )
    schedulers = tuple(LinearLR(o, 1.0, 0.0, total_iters=NUM_STEPS) for o in (critic, generator))
    record = train_wgan(
        gan, (critic, generator), x_train, num_steps=num_steps, num_critic=2, batch_size=128,
        penalty_weight=0.1, schedulers=schedulers, generator=g,
    )  # fmt: skip
    return record, gan, g


def w1(x: Tensor, y: Tensor) -> float:
    """Wasserstein distance of two samples of one size, by the cheapest pairing."""
    cost = torch.cdist(x, y)
    return cost[linear_sum_assignment(cost.numpy())].mean().item()


def whole_run(seed: int) -> dict[str, Any]:
    """Train once, and score 2,500 points of the generator and as many of the data."""
    _, gan, g = train(seed)
    with evaluating(gan.generator):
        fake = gan.generator(torch.randn(2500, 2, generator=g))
    fresh, other = (gaussian_ring(n, radius=1.0, std=0.01, generator=g) for n in (1000, 1000))
    coverage = mode_coverage(fake, ring_centres(radius=1.0), std=0.01)
    return {
        "seed": seed,
        "num_modes": coverage.num_modes,
        "high_quality": round(coverage.high_quality, 4),
        "reverse_kl": round(coverage.reverse_kl, 4),
        "w1": round(w1(fake[:1000], other), 4),
        "w1_data": round(w1(fresh, other), 4),
    }


def first_steps(num_steps: int = 5, *, seed: int = 0) -> list[list[float]]:
    """Both terms of the first steps, for the test that repeats them."""
    return [[round(float(value), 5) for value in step] for step in train(seed, num_steps)[0]]


def main() -> None:
    """Make the file."""
    result = {
        "first_steps": first_steps(),
        "ring": [whole_run(seed) for seed in SEEDS],
        "command": "python -m tools.wgan_runs",
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()} CPU, torch {torch.__version__}",
        "seeds": list(SEEDS),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
