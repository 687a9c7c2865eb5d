"""The benchmarks measure what they say; how fast anything is, no test asks."""

import json
import os

import pytest
import torch
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import __main__ as benchmarks
from benchmarks import loops, notebooks, training
from benchmarks.pieces import breakdown
from benchmarks.timing import Turn, interleaved, paired_ratio
from dgm_teach.data import mnist5k
from dgm_teach.vae_nets import mlp_vae
from dgm_teach.vae_training import vae_step
from tools import project

SIZES = (loops.DATA_DIM, loops.HIDDEN_DIM, loops.LATENT_DIM)


@pytest.fixture(scope="module")
def x():
    return mnist5k().x_train[:160]  # two batches, the second smaller


@pytest.fixture
def same_weights():
    """Our network and the tutorial's with the same weights, in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, other = mlp_vae(*SIZES).double(), loops.TutorialVAE().double()
    other.load_state_dict(as_tutorial(dict(model.named_parameters())))
    return model, other


def as_tutorial(ours):
    """Parameters of our network, or their gradients, under the tutorial's names."""
    found = {}
    for kind in ("weight", "bias"):
        found[f"fc1.{kind}"] = ours[f"encoder.0.{kind}"]
        found[f"fc21.{kind}"], found[f"fc22.{kind}"] = ours[f"encoder.2.{kind}"].chunk(2)
        found[f"fc3.{kind}"] = ours[f"decoder.0.{kind}"]
        found[f"fc4.{kind}"] = ours[f"decoder.2.{kind}"]
    return found


def test_the_loops_have_the_same_objective(same_weights, x):
    model, other = same_weights
    batch, adam = x[:128].double(), torch.optim.Adam
    with torch.random.fork_rng():
        torch.manual_seed(1)
        step = vae_step(model, adam(model.parameters(), lr=loops.LR), batch)
        torch.manual_seed(1)
        images = batch.view(-1, 1, 28, 28)
        loss = loops.tutorial_step(other, adam(other.parameters(), lr=loops.LR), images)
    # The tutorial sums over the batch where we average: a factor of 128 in loss and gradient.
    assert loss / 128 == pytest.approx((step.kl - step.log_lik).item(), rel=1e-12)
    gradients = as_tutorial({name: p.grad for name, p in model.named_parameters()})
    for name, parameter in other.named_parameters():
        # float64 sums over 784, 400 and 128 terms of less than 1: at most 1312 * 1.1e-16 each way.
        assert_close(parameter.grad / 128, gradients[name], rtol=0, atol=1e-12)
        assert gradients[name].abs().max() > 1e-4


def test_the_loops_see_the_same_images(x):
    dataset = loops.ImageDataset(x)
    assert len(dataset) == len(x)
    images = torch.stack([image for image, _ in dataset])
    assert images.shape == (len(x), 1, 28, 28)
    assert torch.equal(images.flatten(1), x)


@pytest.mark.parametrize("name", ["ours", "tutorial", "ready tensors"])
def test_a_loop_trains_on_every_image(name, x, monkeypatch):
    seen, optimizers = [], set()
    for function in ("vae_step", "tutorial_step"):
        step = getattr(loops, function)

        def noted(model, optimizer, batch, step=step, **rest):
            seen.append(batch.flatten(1))
            optimizers.add(optimizer)
            return step(model, optimizer, batch, **rest)

        monkeypatch.setattr(loops, function, noted)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        epoch = loops.LOOPS[name](x)
        losses = [epoch() for _ in range(4)]
    assert [len(batch) for batch in seen] == [128, 32] * 4
    first = torch.cat(seen[:2])
    assert not torch.equal(first, x)
    assert sorted(first.tolist()) == sorted(x.tolist())
    (adam,) = optimizers
    assert isinstance(adam, torch.optim.Adam)
    assert (adam.defaults["lr"], adam.defaults["fused"] is True) == (1e-3, name == "ours")
    # At first every pixel costs about log 2, 543 nats in all.
    assert 450 < losses[0] < 560
    assert losses[-1] < losses[0] - 50


def test_the_floor_has_the_matrix_products_of_our_step(x):
    with FlopCounterMode(display=False) as floor:
        loops.matrix_products(x)()
    with FlopCounterMode(display=False) as ours:
        loops.ours(x)()
    assert floor.get_total_flops() == ours.get_total_flops() > 0


def test_turns_are_interleaved_and_the_first_round_does_not_count():
    calls = []
    things = {name: lambda name=name: calls.append(name) for name in "ab"}
    turns = interleaved(things, 2, lambda: calls.append("-"))
    assert "".join(calls) == "-a--b-" * 3
    assert {name: len(times) for name, times in turns.items()} == {"a": 2, "b": 2}


def test_ratios_are_paired():
    # Within a round always twice as long; the ratio of the medians would be 2.5.
    assert paired_ratio([2, 4, 40, 6, 8], [1, 2, 20, 3, 4]) == (2, 2, 2)
    assert paired_ratio([1, 2, 3, 4, 5], [1] * 5) == (3, 2, 4)


def fake_turns():
    seconds = {"ours": [1, 2, 3], "tutorial": [3, 5, 9], "ready tensors": [1, 2, 6]}
    seconds |= {"floor": [0.5, 1, 1.5]}
    seconds |= {"networks": [1.2] * 3, "losses": [0.4] * 3, "pixel check": [0.1] * 3}
    seconds |= {"Adam": [0.2] * 3, "drawing": [0.05] * 3, "noise": [0.05] * 3}
    return {name: [Turn(s, s / 8) for s in times] for name, times in seconds.items()}


def test_the_table_of_fake_times():
    rows = {row.name: row for row in training.table(fake_turns(), num_images=1280)}
    ours, tutorial, ready = rows["ours"], rows["tutorial"], rows["ready tensors"]
    assert (ours.images_per_s, ours.ms_per_step, ours.cpu_ms_per_step) == (640, 200, 25)
    assert tutorial.images_per_s == 256
    assert tutorial.ratio == tutorial.cpu_ratio == (3, 2.75, 3)
    assert ready.ratio == (1, 1, 1.5)
    assert rows["floor"].ratio == (0.5, 0.5, 0.5)
    assert [training.goal_met(row) for row in (ours, tutorial, ready)] == [None, True, False]


def test_the_breakdown_of_fake_times_adds_up():
    parts = training.parts(fake_turns(), num_images=1280)
    ms = {part.name.split(",")[0]: round(part.ms_per_step) for part in parts}
    assert list(ms.values()) == [100, 20, 30, 10, 20, 5, 5, 10]
    assert sum(part.share for part in parts) == pytest.approx(1)
    assert parts[0].share == pytest.approx(0.5)


def test_the_breakdown_names_what_is_left():
    pieces = dict.fromkeys(["floor", "networks", "losses", "pixel check", "Adam"], 0.0)
    *_, rest = breakdown(pieces | {"drawing": 0.0, "noise": 1.0, "ours": 4.0})
    assert (rest.ms_per_step, rest.share) == (3, 0.75)


def test_the_report_says_which_goals_are_met():
    rows = training.table(fake_turns(), num_images=1280)
    lines = training.report(rows, training.parts(fake_turns(), 1280)).splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["ours", "tutorial", "ready", "floor"]
    assert lines[2].endswith("goal 2.5 met")
    assert lines[3].endswith("goal 1.5 missed")
    assert "3.00 (2.75–3.00)" in lines[2]


def test_everything_is_measured_on_a_tiny_set():
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng():
            rows, parts = training.measure("cpu", threads=1, rounds=2, num_images=160)
    finally:
        torch.set_num_threads(threads)
    assert [row.name for row in rows] == list(loops.LOOPS)
    assert all(row.images_per_s > 0 and row.ratio.median > 0 for row in rows)
    assert rows[0].ratio == (1, 1, 1)
    assert sum(part.share for part in parts) == pytest.approx(1)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (notebooks.Run(59, 100, 999, ""), ""),
        (notebooks.Run(61, 1, 10, ""), "exceeds 60 s"),
        (notebooks.Run(61, 1, 1001, ""), "exceeds 60 s, exceeds 1000 MB"),
        (notebooks.Run(1, 1, None, ""), ""),
        (notebooks.Run(61, 1, 10, "boom"), "FAILED"),
    ],
)
def test_the_verdict_on_a_notebook(run, expected):
    assert notebooks.verdict("book/index.md", run) == expected


def test_every_page_that_may_take_longer_exists_and_has_its_limit():
    for name, limit in notebooks.LONGER.items():
        assert project.ROOT / name in project.notebooks()
        assert notebooks.verdict(name, notebooks.Run(limit, 1, 10, "")) == ""
        assert notebooks.verdict(name, notebooks.Run(limit + 1, 1, 10, "")) == f"exceeds {limit} s"


CELL = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

```{code-cell} ipython3
import os
block = b"x" * 400_000_000
del block
assert os.environ["OMP_NUM_THREADS"] == "2"
```

```{code-cell} ipython3
assert not "a failing cell"
```
"""


@pytest.mark.slow
def test_a_notebook_is_measured_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(CELL, encoding="utf-8")
    before = dict(os.environ)
    measured = notebooks.run_alone(page)
    assert os.environ == before
    assert "a failing cell" in measured.error
    assert "OMP" not in measured.error.splitlines()[-1]
    assert measured.seconds > 0 < measured.cpu_seconds
    if measured.peak_mb is not None:
        assert 400 < measured.peak_mb < 700  # the block, and a kernel without torch


@pytest.fixture
def fake_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(project, "BUILD", tmp_path / "_build")
    fakes = {"notebooks": lambda quick: [{"error": "x" * quick}], "training": lambda quick: [{}]}
    monkeypatch.setattr(benchmarks, "PARTS", fakes)
    return tmp_path / "_build" / "benchmarks.json"


def test_results_are_kept_with_their_circumstances(fake_parts):
    assert benchmarks.main([]) == 0
    kept = json.loads(fake_parts.read_text())
    assert list(kept) == ["notebooks", "training"]
    assert kept["training"]["results"] == [{}]
    assert kept["training"]["torch"] == torch.__version__
    assert {"date", "machine", "cuda", "quick"} < set(kept["training"])


def test_a_part_alone_keeps_the_other_and_a_failed_notebook_is_told(fake_parts):
    assert benchmarks.main(["training"]) == 0
    assert benchmarks.main(["notebooks", "--quick"]) == 1
    kept = json.loads(fake_parts.read_text())
    assert (kept["training"]["quick"], kept["notebooks"]["quick"]) == (False, True)
    assert [path.name for path in fake_parts.parent.iterdir()] == ["benchmarks.json"]


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        benchmarks.main(["memory"])
    assert (
        "part must be one of ['notebooks', 'training', 'adversarial', 'grading'], got ['memory']"
        in capsys.readouterr().err
    )
