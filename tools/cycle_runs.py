"""Make ``dgm_teach/runs/cycle-digits.json``: translations of digits over several seeds.

``python -m tools.cycle_runs`` took about 13 minutes of processor time; with names of parts
it makes these anew and keeps the others. Every figure in the file is measured by this script; the
chapter on digits reads it, and a test repeats its first steps.
"""

import base64
import datetime
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.optim.lr_scheduler import LambdaLR

from dgm_teach.classifier import ImageClassifier, predict, train_classifier
from dgm_teach.cyclegan import CycleGAN, discriminator_step, least_squares
from dgm_teach.cyclegan_training import CycleGANStep, train_cyclegan
from dgm_teach.data import minibatches, mnist5k, shifted_copies
from dgm_teach.domains import on_paper, outlined, typeset_digits
from dgm_teach.generate import evaluating
from dgm_teach.history import HistoryBuffer
from dgm_teach.nets import frozen
from dgm_teach.rng import make_generator
from dgm_teach.translation_measures import best_shift, paired_difference, relative_l1
from dgm_teach.translation_nets import patch_discriminator, residual_generator

RESULT = Path(__file__).parent.parent / "dgm_teach" / "runs" / "cycle-digits.json"
PAGE_SEEDS, SEEDS = range(5), range(3)
NUM_STEPS, ABLATION_STEPS, TYPESET_STEPS = 600, 200, 300
BATCH_SIZE, LR = 16, 5e-3


class Weights(NamedTuple):
    """One row of the table: weights of means over the numbers of a picture, and the history."""

    adversarial: float = 1.0
    cycle_x: float = 10.0
    cycle_y: float = 10.0
    identity: float = 0.0
    buffer_size: int = 0


SETTINGS = {
    "GAN and cycle": Weights(),
    "GAN alone": Weights(cycle_x=0.0, cycle_y=0.0),
    "cycle alone": Weights(adversarial=0.0),
    "GAN and forward cycle": Weights(cycle_y=0.0),
    "GAN and backward cycle": Weights(cycle_x=0.0),
    "GAN, cycle and identity": Weights(identity=5.0),
    "GAN, cycle and history": Weights(buffer_size=64),
}


class Domains(NamedTuple):
    """Both training sets, and held-out pictures in pairs with the digit that each shows."""

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor
    labels: Tensor


@cache
def digits() -> Domains:
    """The domains of the chapter: the first 2,000 training digits, and the other 2,000 outlined."""
    data = mnist5k(binarise=None)
    x_train, y_train = on_paper(data.x_train[:2000]), outlined(data.x_train[2000:])
    return Domains(x_train, y_train, on_paper(data.x_test), outlined(data.x_test), data.y_test)


def rows_for_classifier(pictures: Tensor) -> Tensor:
    """Mean over the colours, with a border of two pixels, as rows of 1,024."""
    return pad(pictures.mean(1, keepdim=True), [2] * 4, mode="replicate").flatten(1)


def reader(pictures: Tensor, labels: Tensor) -> ImageClassifier:
    """A classifier of one domain."""
    torch.manual_seed(0)
    classifier = ImageClassifier()
    rows = rows_for_classifier(pictures)
    train_classifier(classifier, rows, labels, generator=make_generator(0))
    return classifier


@cache
def readers() -> tuple[ImageClassifier, ImageClassifier]:
    """Classifiers of both domains, from all 4,000 training digits."""
    data = mnist5k(binarise=None)
    make = (on_paper, outlined)
    first, second = (reader(f(data.x_train), data.y_train) for f in make)
    return first, second


def new_model(seed: int, num_steps: int, channels: int = 3) -> tuple[CycleGAN, Any, Any]:
    """The four players, both optimisers and both schedules."""
    torch.manual_seed(seed)
    model = CycleGAN(
        residual_generator(channels), residual_generator(channels),
        patch_discriminator(channels), patch_discriminator(channels),
    )  # fmt: skip
    optimizers = tuple(
        torch.optim.Adam(nn.ModuleList(pair).parameters(), lr=LR, betas=(0.5, 0.99), fused=True)
        for pair in (model[:2], model[2:])
    )
    schedules = tuple(
        LambdaLR(opt, lambda step: min(1.0, 2 * (1 - step / num_steps))) for opt in optimizers
    )
    return model, optimizers, schedules


def train_page(
    seed: int, *, num_steps: int = NUM_STEPS, stop: int | None = None
) -> tuple[CycleGAN, list[CycleGANStep]]:
    """The training of the chapter, or its first steps."""
    data = digits()
    model, optimizers, schedules = new_model(seed, num_steps)
    record = train_cyclegan(
        model, optimizers, data.x_train, data.y_train, num_steps=stop or num_steps,
        lambda_cyc=10 / data.x_train[0].numel(), batch_size=BATCH_SIZE, buffer_size=0,
        schedulers=schedules, generator=make_generator(seed),
    )  # fmt: skip
    return model, record


def ablated_step(
    model: CycleGAN, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor, weights: Weights
) -> tuple[Tensor, Tensor]:
    """One step of both generators with any part of the loss left out; the translations."""
    y_fake, x_fake = model.gen_xy(x), model.gen_yx(y)
    with frozen(model.disc_x, model.disc_y):
        scores_x, scores_y = model.disc_x(x_fake), model.disc_y(y_fake)
    adversarial = least_squares(scores_x, 1.0).mean() + least_squares(scores_y, 1.0).mean()
    loss = weights.adversarial * adversarial
    if weights.cycle_x:
        loss = loss + weights.cycle_x * (model.gen_yx(y_fake) - x).abs().mean()
    if weights.cycle_y:
        loss = loss + weights.cycle_y * (model.gen_xy(x_fake) - y).abs().mean()
    if weights.identity:
        same = (model.gen_xy(y) - y).abs().mean() + (model.gen_yx(x) - x).abs().mean()
        loss = loss + weights.identity * same
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return x_fake.detach(), y_fake.detach()


def endless(x: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    """Minibatches, pass after pass; both sets hold whole batches."""
    while True:
        yield from minibatches(x, BATCH_SIZE, generator=generator)


def train_ablated(seed: int, weights: Weights, *, num_steps: int = ABLATION_STEPS) -> CycleGAN:
    """A shorter training with any part of the loss left out."""
    data, g = digits(), make_generator(seed)
    model, optimizers, schedules = new_model(seed, num_steps)
    batches = [endless(part, g) for part in (data.x_train, data.y_train)]
    size = weights.buffer_size
    buffers = [HistoryBuffer(size) for _ in range(2)] if size else []
    for _ in range(num_steps):
        x, y = (next(batch) for batch in batches)
        fakes = list(ablated_step(model, optimizers[0], x, y, weights))
        if buffers:
            pairs = zip(buffers, fakes, strict=True)
            fakes = [buffer.exchange(fake, generator=g) for buffer, fake in pairs]
        discriminator_step(model, optimizers[1], x, y, *fakes)
        for schedule in schedules:
            schedule.step()
    return model


def scores(model: CycleGAN) -> dict[str, Any]:
    """The measures of the chapter on the 1,000 held-out digits, in both directions."""
    data, (reads_x, reads_y) = digits(), readers()
    with evaluating(model.gen_xy), evaluating(model.gen_yx):
        y_fake, x_fake = model.gen_xy(data.x_test), model.gen_yx(data.y_test)
        x_cycle = model.gen_yx(y_fake)
    result: dict[str, Any] = {}
    for name, made, truth, train, reads in (
        ("y", y_fake, data.y_test, data.y_train, reads_y),
        ("x", x_fake, data.x_test, data.x_train, reads_x),
    ):
        mean = train.mean(0)
        right = [predict(reads, rows_for_classifier(t)) == data.labels for t in (made, truth)]
        paired = paired_difference(*right)
        result |= {
            f"distance_{name}": round(relative_l1(made, truth, mean), 4),
            f"shift_{name}": [round(v, 4) for v in best_shift(made, truth, mean)],
            f"agreement_{name}": round(paired.difference, 4),
            f"agreement_error_{name}": round(paired.standard_error, 4),
        }
    result["cycle"] = round(relative_l1(x_cycle, data.x_test, data.x_train.mean(0)), 4)
    return result


def timed(seed: int, train: Callable[[], CycleGAN]) -> dict[str, Any]:
    """Scores of one run, with its seed and the processor time of its training."""
    start = time.process_time()
    model = train()
    seconds = round(time.process_time() - start, 1)
    return {"seed": seed, **scores(model), "cpu_seconds": seconds}


def page() -> list[dict[str, Any]]:
    """The chapter's own training with five seeds."""
    return [timed(seed, lambda seed=seed: train_page(seed)[0]) for seed in PAGE_SEEDS]  # type: ignore[misc]


def ablations() -> dict[str, list[dict[str, Any]]]:
    """Every setting with every seed."""
    return {
        name: [timed(s, lambda s=s, w=weights: train_ablated(s, w)) for s in SEEDS]  # type: ignore[misc]
        for name, weights in SETTINGS.items()
    }


def typeset_domain() -> tuple[Tensor, Tensor]:
    """Typeset digits moved by up to one pixel, and the digit of each."""
    ink, labels = typeset_digits()
    return on_paper(shifted_copies(ink))[:, :1], labels.repeat(9)


def typeset_run(seed: int) -> dict[str, Any]:
    """From handwriting to typeset digits: what is read, what comes back, and what was hidden."""
    data = digits()
    y_train, y_labels = typeset_domain()
    x_train, x_test = data.x_train[:, :1], data.x_test[:, :1]
    model, optimizers, schedules = new_model(seed, TYPESET_STEPS, channels=1)
    train_cyclegan(
        model, optimizers, x_train, y_train, num_steps=TYPESET_STEPS, lambda_cyc=10 / 784,
        batch_size=BATCH_SIZE, buffer_size=0, schedulers=schedules, generator=make_generator(seed),
    )  # fmt: skip
    reads = reader(y_train, y_labels)
    with torch.no_grad():
        y_fake = model.gen_xy(x_test)
        x_cycle = model.gen_yx(y_fake)
        cleaned = torch.where(y_fake < 0, y_fake, 1.0)  # ink below half becomes paper
        x_cleaned = model.gen_yx(cleaned)
        score_real, score_made = (model.disc_y(t).mean((1, 2)) for t in (y_train, y_fake))
    same = predict(reads, rows_for_classifier(y_fake)) == data.labels
    before = predict(reads, rows_for_classifier(x_test)) == data.labels
    faded = (x_test < -0.6) & (y_fake > 0)  # ink above 0.8, then below half
    numbers = {
        "changed": relative_l1(y_fake, x_test, x_train.mean(0)),
        "cycle": relative_l1(x_cycle, x_test, x_train.mean(0)),
        "same_digit": same.float().mean().item(),
        "same_digit_untranslated": before.float().mean().item(),
        "score_real": score_real.mean().item(),
        "score_made": score_made.mean().item(),
        "told_apart": (score_real[:, None] > score_made).float().mean().item(),
        "faded": (faded.sum() / (x_test < -0.6).sum()).item(),
    } | {
        f"ink_{name}": ((1 - t[faded]) / 2).mean().item()
        for name, t in {"made": y_fake, "back": x_cycle, "back_cleaned": x_cleaned}.items()
    }
    result = {"seed": seed, **{name: round(value, 4) for name, value in numbers.items()}}
    if seed == 0:
        result["pictures"] = packed(torch.cat([t[:10] for t in (y_fake, x_cycle, x_cleaned)]))
    return result


def packed(pictures: Tensor) -> str:
    """Ink of grey pictures as bytes, in base64."""
    ink = ((1 - pictures) / 2 * 255).round().to(torch.uint8)
    return base64.b64encode(ink.numpy().tobytes()).decode()


def first_steps(num_steps: int = 6, *, seed: int = 0) -> list[list[float]]:
    """All terms of the first steps of the chapter's training, for the test that repeats them."""
    return [[round(float(v), 4) for v in step] for step in train_page(seed, stop=num_steps)[1]]


PARTS: dict[str, Callable[[], Any]] = {
    "first_steps": first_steps,
    "typeset": lambda: [typeset_run(seed) for seed in SEEDS],
    "page": page,
    "ablations": ablations,
}


def main(names: list[str]) -> None:
    """Make the parts and write the file after each."""
    result: dict[str, Any] = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {}
    for name in names:
        start = time.process_time()
        result[name] = PARTS[name]()
        result |= {
            "command": "python -m tools.cycle_runs",
            "date": datetime.date.today().isoformat(),
            "machine": f"{platform.machine()} CPU, torch {torch.__version__}",
            "seeds": list(PAGE_SEEDS),
        }
        result.setdefault("cpu_seconds", {})[name] = round(time.process_time() - start)
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:] or list(PARTS))
