"""Make ``dgm_teach/runs/vae-training.json``: the runs of the VAE that are too long for a page.

``python -m tools.vae_runs`` takes about half an hour on two cores. Every figure in the file is
measured by this script; the chapter on training reads it, and a test repeats its first steps.
"""

import datetime
import json
import platform
import time
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
CHAPTER = {"activation": nn.SiLU, "lr": 5e-3, "decay": True}
USUAL = {"activation": nn.ReLU, "lr": 1e-3, "decay": False}


class Run:
    """One training, in rounds of epochs between which the held-out images are scored."""

    def __init__(
        self, seed: int, num_epochs: int, *, shifts: int, activation: type[nn.Module], lr: float,
        decay: bool,
    ) -> None:  # fmt: skip
        split = mnist5k()
        self.x_train, self.x_test = shifted_copies(split.x_train, shifts), split.x_test
        torch.manual_seed(seed)
        self.model: VAE = mlp_vae(784, 400, 20, activation=activation)
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
    start = time.perf_counter()
    run.train(num_epochs)
    seconds = round(time.perf_counter() - start, 1)
    return {"seed": seed, "epochs": num_epochs, "seconds": seconds, **run.score()}


def curve(num_epochs: int, every: int, *, shifts: int, **settings: Any) -> dict[str, list[float]]:
    """Train seed 0 and score training and held-out images every few epochs."""
    run = Run(0, num_epochs, shifts=shifts, **settings)
    points: dict[str, list[float]] = {"epoch": [], "train": [], "held_out": []}
    for epoch in tqdm(range(every, num_epochs + 1, every)):
        record = run.train(every)[-31:]  # the last pass over as many images as the set has
        terms = held_out_terms(run.model, run.x_test, num_samples=5, generator=make_generator(0))
        points["epoch"].append(epoch)
        points["train"].append(round(sum(r.kl - r.log_lik for r in record) / len(record), 3))
        points["held_out"].append(round(-terms.elbo.mean().item(), 3))
    return points


def first_steps(num_steps: int = 20) -> list[list[float]]:
    """Both terms of the first steps of the chapter's run, for the test that repeats them."""
    run = Run(0, 30, shifts=0, **CHAPTER)
    return [[round(v, 4) for v in step] for step in run.train(1)[:num_steps]]


def main() -> None:
    """Make every run and write the file."""
    result = {
        "command": "python -m tools.vae_runs",
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "seeds": list(SEEDS),
        "first_steps": first_steps(),
        "chapter": [whole_run(seed, 30, shifts=1, **CHAPTER) for seed in SEEDS],
        "chapter_without_shifts": [whole_run(seed, 270, shifts=0, **CHAPTER) for seed in SEEDS],
        "usual": [whole_run(seed, 75, shifts=0, **USUAL) for seed in SEEDS],
        "usual_curve": curve(330, 5, shifts=0, **USUAL),
        "long": whole_run(0, 600, shifts=1, **CHAPTER),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
