"""Make ``dgm_teach/runs/gan-images.json``: GANs for images over several seeds.

``python -m tools.gan_image_runs`` takes about 5 minutes of processor time; with names of parts it
makes these anew and keeps the others. Every figure in the file is measured by this script; the
chapter on a GAN for images reads it, and a test repeats its first steps.
"""

import datetime
import json
import platform
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.optim.lr_scheduler import LinearLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from dgm_teach.classifier import ImageClassifier, features, predict, train_classifier
from dgm_teach.data import mnist5k
from dgm_teach.gan import GAN
from dgm_teach.gan_training import GANStep, train_gan
from dgm_teach.generate import evaluating
from dgm_teach.image_nets import image_features, image_generator, start_weights
from dgm_teach.labelled import LabelledGenerator, ProjectionDiscriminator, ask_for, join_labels
from dgm_teach.quality import beside_truth, frechet_distance, kernel_distance
from dgm_teach.rng import make_generator

RESULT = Path(__file__).parent.parent / "dgm_teach" / "runs" / "gan-images.json"
SEEDS = range(3)
NUM_STEPS, NUM_PARTS = 600, 5
NUM_IMAGES, NUM_HALVINGS = 500, 10


def framed(rows: Tensor) -> Tensor:
    """Rows of 28x28 pixels in [0, 1] as rows of 32x32 pixels in [-1, 1]."""
    return pad(2 * rows.view(-1, 28, 28) - 1, [2] * 4, value=-1.0).flatten(1)


def new_gan(seed: int, *, labelled: bool = True, gamma_mean: float = 1.0) -> GAN:
    """Both players of the chapter, or an unconditional pair, or one with another first γ."""
    torch.manual_seed(seed)
    generator: nn.Module = image_generator(64)
    if labelled:
        generator = LabelledGenerator(generator, 10)
        discriminator: nn.Module = ProjectionDiscriminator(image_features(), 512, 10)
    else:
        discriminator = nn.Sequential(image_features(), nn.Linear(512, 1))
    start_weights(discriminator)
    for player in (generator, discriminator):
        player.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for layer in player.modules():
            if isinstance(layer, nn.BatchNorm2d):
                with torch.no_grad():
                    layer.weight.add_(gamma_mean - 1)
    return GAN(generator, discriminator, latent_dim=64)


def draw(generator: nn.Module, *, labelled: bool) -> Tensor:
    """500 images, 50 of each digit if they can be asked for."""
    z = torch.randn(NUM_IMAGES, 64, generator=make_generator(99))
    if labelled:
        z = ask_for(torch.arange(NUM_IMAGES) % 10, z, 10)
    with evaluating(generator):
        return generator(z)[:, :1024]


def halvings() -> list[tuple[Tensor, Tensor]]:
    """Ways to halve the held-out images, with 50 of each digit in either half."""
    noise, halves = make_generator(0), []
    for _ in range(NUM_HALVINGS):
        order = torch.stack([torch.randperm(100, generator=noise) for _ in range(10)], 1)
        rows = 10 * order + torch.arange(10)  # the digits come in turns, 0 to 9
        halves.append((rows[:50].flatten(), rows[50:].flatten()))
    return halves


class Judge:
    """The classifier of the chapter and the halves of the held-out images."""

    def __init__(self) -> None:
        digits = mnist5k(binarise=None)
        x_train, self.x_test = framed(digits.x_train), framed(digits.x_test)
        torch.manual_seed(1)
        self.classifier = ImageClassifier(num_features=32)
        train_classifier(self.classifier, x_train, digits.y_train, generator=make_generator(1))
        self.unit = features(self.classifier, x_train).std(0).mean()
        self.phi_test = self.phi(self.x_test)
        self.halves = halvings()

    def phi(self, x: Tensor) -> Tensor:
        """Features in units of their mean standard deviation over training images."""
        return features(self.classifier, x) / self.unit

    def distances(self, phi: Tensor) -> dict[str, Tensor]:
        """Both distances of generated and of real features, [2, halvings]."""
        found = {}
        for name, distance in (("frechet", frechet_distance), ("kernel", kernel_distance)):
            scores = [
                beside_truth(distance, phi, self.phi_test[a], self.phi_test[b])
                for a, b in self.halves
            ]
            found[name] = torch.tensor(scores).T
        return found

    def truth(self) -> dict[str, float]:
        """What real images score, and its standard deviation over the halvings."""
        found = {}
        for name, table in self.distances(self.phi_test[self.halves[0][0]]).items():
            found[name] = round(table[1].mean().item(), 4)
            found[f"{name}_sd"] = round(table[1].std().item(), 4)
        return found

    def score(self, x: Tensor, *, labelled: bool) -> dict[str, float]:
        """Both distances, means over the halvings, and what the classifier reads."""
        seen = predict(self.classifier, x)
        share = torch.bincount(seen, minlength=10) / len(seen)
        found = {name: t[0].mean().item() for name, t in self.distances(self.phi(x)).items()}
        found["digits_kl"] = torch.xlogy(share, 10 * share).sum().item()
        if labelled:
            found["obeyed"] = (seen == torch.arange(len(seen)) % 10).float().mean().item()
        return {name: round(value, 4) for name, value in found.items()}


def train(
    seed: int, *, labelled: bool = True, gamma_mean: float = 1.0, stop: int | None = None
) -> tuple[list[GANStep], GAN, AveragedModel, list[Tensor]]:
    """The chapter's training, or its first steps: record, players, average, images on the way."""
    digits = mnist5k(binarise=None)
    x = framed(digits.x_train)
    x = join_labels(x, digits.y_train, 10) if labelled else x
    gan = new_gan(seed, labelled=labelled, gamma_mean=gamma_mean)
    opts = tuple(
        torch.optim.Adam(player.parameters(), lr=4e-3, betas=(0.0, 0.99), fused=True)
        for player in (gan.discriminator, gan.generator)
    )
    falling = tuple(LinearLR(opt, 1.0, 0.0, total_iters=NUM_STEPS) for opt in opts)
    rule = get_ema_multi_avg_fn(0.98)
    average = AveragedModel(gan.generator, multi_avg_fn=rule, use_buffers=True)
    record: list[GANStep] = []
    images, noise = [], make_generator(seed)
    for _ in range(1 if stop else NUM_PARTS):
        record += train_gan(
            gan, (opts[0], opts[1]), x, num_steps=stop or NUM_STEPS // NUM_PARTS, batch_size=64,
            schedulers=falling, average=average, generator=noise,
        )  # fmt: skip
        images.append(draw(gan.generator, labelled=labelled))
    return record, gan, average, images


def whole_run(seed: int, marks: Judge, **variant: Any) -> dict[str, Any]:
    """Train once; score the average, and the last weights after every fifth of the steps."""
    start = time.process_time()
    record, _, average, images = train(seed, **variant)
    seconds = round(time.process_time() - start, 1)
    labelled = variant.get("labelled", True)
    part = NUM_STEPS // NUM_PARTS
    losses = torch.tensor(record).view(NUM_PARTS, part, 2)[:, part // 2 :].mean(1)
    return {
        "seed": seed,
        **marks.score(draw(average, labelled=labelled), labelled=labelled),
        "on_the_way": [marks.score(x, labelled=labelled) for x in images],
        "losses": [[round(value, 4) for value in pair] for pair in losses.tolist()],
        "cpu_seconds": seconds,
    }


def first_steps(num_steps: int = 8, *, seed: int = 0) -> list[list[float]]:
    """Both losses of the first steps, for the test that repeats them."""
    record = train(seed, stop=num_steps)[0]
    return [[round(float(value), 4) for value in step] for step in record]


@cache
def judge() -> Judge:
    """The one judge of all parts."""
    return Judge()


def several(**variant: Any) -> list[dict[str, Any]]:
    """One run per seed."""
    return [whole_run(seed, judge(), **variant) for seed in SEEDS]


PARTS: dict[str, Callable[[], Any]] = {
    "first_steps": first_steps,
    "truth": lambda: judge().truth(),
    "conditional": several,
    "unconditional": lambda: several(labelled=False),
    "gamma_about_zero": lambda: several(gamma_mean=0.0),
}


def main(names: list[str]) -> None:
    """Make the parts and write the file after each."""
    result: dict[str, Any] = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {}
    for name in names:
        result[name] = PARTS[name]()
        result |= {
            "command": "python -m tools.gan_image_runs",
            "date": datetime.date.today().isoformat(),
            "machine": f"{platform.machine()} CPU, torch {torch.__version__}",
            "seeds": list(SEEDS),
        }
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:] or list(PARTS))
