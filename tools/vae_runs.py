"""Make ``dgm_teach/runs/vae-training.json``: the runs of the VAE that are too long for a page.

``python -m tools.vae_runs`` takes about forty minutes on two cores; with names of parts it makes
these anew and keeps the others. Every figure in the file is measured by this script; the chapter on
training reads it, and a test repeats its first steps.
"""

import datetime
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LinearLR
from tqdm import tqdm

from dgm_teach.data import mnist5k, shifted_copies
from dgm_teach.evaluate import active_units, held_out_terms, log_px_hat
from dgm_teach.rng import make_generator
from dgm_teach.vae import VAE
from dgm_teach.vae_nets import mlp_vae
from dgm_teach.vae_training import VAEStep, train_vae

RESULT = Path(__file__).parent.parent / "dgm_teach" / "runs" / "vae-training.json"
SEEDS = range(5)
BATCH_SIZE = 128
CHAPTER: dict[str, Any] = {"latent_dim": 32, "activation": nn.SiLU, "lr": 5e-3, "decay": True}
USUAL: dict[str, Any] = {"latent_dim": 20, "activation": nn.ReLU, "lr": 1e-3, "decay": False}


class Run:
    """One training, in rounds of epochs between which the held-out images are scored."""

    def __init__(
        self, seed: int, num_epochs: int, *, shifts: int, latent_dim: int,
        activation: type[nn.Module], lr: float, decay: bool,
    ) -> None:  # fmt: skip
        split = mnist5k()
        self.x_train, self.x_test = shifted_copies(split.x_train, shifts), split.x_test
        torch.manual_seed(seed)
        self.model: VAE = mlp_vae(784, 400, latent_dim, activation=activation)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=lr, fused=True)
        steps = num_epochs * -(-len(self.x_train) // BATCH_SIZE)
        self.scheduler = LinearLR(self.optimizer, 1.0, 0.0, total_iters=steps) if decay else None
        self.generator = make_generator(seed)

    def train(self, num_epochs: int) -> list[VAEStep]:
        """Train on, and return the record."""
        return train_vae(
            self.model, self.optimizer, self.x_train, num_epochs=num_epochs,
            batch_size=BATCH_SIZE, scheduler=self.scheduler, generator=self.generator,
        )  # fmt: skip

    def score(self) -> dict[str, float]:
        """Both bounds on the held-out images, in nats per image, and the active units."""
        held_out = held_out_terms(
            self.model, self.x_test, num_samples=10, generator=make_generator(0)
        )
        bound = log_px_hat(self.model, self.x_test, num_samples=500, generator=make_generator(0))
        return {
            "neg_elbo": round(-held_out.elbo.mean().item(), 3),
            "neg_bound_500": round(-bound.mean().item(), 3),
            "active_units": int(active_units(self.model, self.x_test).sum()),
        }


def whole_run(seed: int, num_epochs: int, *, shifts: int, **settings: Any) -> dict[str, float]:
    """Train once without a stop, and score the end."""
    run = Run(seed, num_epochs, shifts=shifts, **settings)
    run.train(num_epochs)
    return {"seed": seed, "epochs": num_epochs, **run.score()}


def curve(num_epochs: int, every: int, *, shifts: int, **settings: Any) -> dict[str, list[float]]:
    """Train seed 0 and score training and held-out images every few epochs."""
    run = Run(0, num_epochs, shifts=shifts, **settings)
    points: dict[str, list[float]] = {"epoch": [], "train": [], "held_out": []}
    for epoch in tqdm(range(every, num_epochs + 1, every)):
        record = run.train(every)[-31:]  # the last pass over as many images as the set has
        terms = held_out_terms(run.model, run.x_test, num_samples=5, generator=make_generator(0))
        points["epoch"].append(epoch)
        mean = sum(float(step.kl - step.log_lik) for step in record) / len(record)
        points["train"].append(round(mean, 3))
        points["held_out"].append(round(-terms.elbo.mean().item(), 3))
    return points


def first_steps(num_steps: int = 20, *, seed: int = 0) -> list[list[float]]:
    """Both terms of the first steps without moved copies, for the test that repeats them."""
    run = Run(seed, 12, shifts=0, **CHAPTER)
    return [[round(float(value), 4) for value in step] for step in run.train(1)[:num_steps]]


def over_seeds(num_epochs: int, *, shifts: int, **settings: Any) -> list[dict[str, float]]:
    """The same training from every seed."""
    return [whole_run(seed, num_epochs, shifts=shifts, **settings) for seed in SEEDS]


PARTS: dict[str, Callable[[], Any]] = {
    "first_steps": first_steps,
    "chapter": lambda: over_seeds(12, shifts=1, **CHAPTER),
    "chapter_without_copies": lambda: over_seeds(108, shifts=0, **CHAPTER),
    "chapter_without_copies_50": lambda: over_seeds(50, shifts=0, **CHAPTER),
    "usual_with_copies": lambda: over_seeds(12, shifts=1, **USUAL),
    "usual": lambda: over_seeds(75, shifts=0, **USUAL),
    "usual_curve": lambda: curve(330, 5, shifts=0, **USUAL),
    "long": lambda: [whole_run(0, epochs, shifts=1, **CHAPTER) for epochs in (100, 300)],
}


def main(names: list[str]) -> None:
    """Make the parts and write the file after each."""
    result: dict[str, Any] = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {}
    for name in names:
        result[name] = PARTS[name]()
        result |= {
            "command": "python -m tools.vae_runs",
            "date": datetime.date.today().isoformat(),
            "machine": f"{platform.machine()} CPU, torch {torch.__version__}",
            "seeds": list(SEEDS),
        }
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:] or list(PARTS))
