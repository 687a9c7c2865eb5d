"""Make what the students of hw05-silent-bugs see of the faulty implementations: tables of numbers.

``python -m grading.symptoms`` runs each faulty implementation, writes ``symptoms.json`` beside the
master, with the command, the date and the seeds, and copies the tables into the marked blocks of
the master. The faulty code stands here alone: a student's notebook has the numbers only.
"""

import datetime
import json
import math
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from dgm_teach.data import digits8x8
from dgm_teach.gaussian import gaussian_kl, gaussian_log_prob
from dgm_teach.linear_gaussian import LinearGaussian, evidence, posterior, sample
from dgm_teach.nets import mlp
from dgm_teach.points import gaussian_ring
from dgm_teach.rng import make_generator
from grading.master import ASSIGNMENTS

FOLDER = ASSIGNMENTS / "hw05-silent-bugs"
MASTER, RECORD = FOLDER / "hw05-silent-bugs.md", FOLDER / "symptoms.json"
COMMAND = "python -m grading.symptoms"
BLOCK = re.compile(r"# symptoms of (q\d+): begin\n(.*?)# symptoms of \1: end\n", re.DOTALL)

Table = dict[str, list[float]]


def orthogonal_model(latent_dim: int, seed: int) -> LinearGaussian:
    """Probabilistic PCA with unit noise whose exact posterior is a diagonal Gaussian."""
    square = torch.randn(8, 8, generator=make_generator(seed), dtype=torch.float64)
    columns = 1.5 * torch.linalg.qr(square)[0][:, :latent_dim]
    zero, one = torch.zeros(8, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
    return LinearGaussian(columns, zero, one)


def q1(seed: int) -> Table:
    """Fault: the KL term is averaged over the latent variables."""
    table: Table = {"latents": [], "KL": [], "reported - exact": [], "standard error": []}
    for latent_dim in (1, 2, 4, 8):
        model, g = orthogonal_model(latent_dim, seed), make_generator(seed)
        x, _ = sample(model, 4000, generator=g)
        exact = posterior(model, x)
        log_var = exact.covariance_matrix.diagonal(dim1=-2, dim2=-1).log().expand_as(exact.mean)
        eps = torch.empty_like(log_var).normal_(generator=g)
        x_rec = (exact.mean + torch.exp(log_var / 2) * eps) @ model.weight.T
        kl = gaussian_kl(exact.mean, log_var)
        reported = kl / latent_dim - gaussian_log_prob(x, x_rec, torch.zeros_like(x))
        gap = reported + evidence(model).log_prob(x)
        row = (latent_dim, kl.mean(), gap.mean(), gap.std() / math.sqrt(len(gap)))
        add(table, row)
    return table


def q2(seed: int) -> Table:
    """Fault: only the pixels that are 1 count."""
    x = digits8x8().x_train[:300]
    names = ("steps", "reported log-lik.", "ink in the model", "ink in the data")
    table: Table = {name: [] for name in names}
    logits = torch.zeros(64, requires_grad=True)
    adam = torch.optim.Adam([logits], lr=0.1)
    for step in range(401):
        reported = -(x * softplus(-logits)).sum(1).mean()
        if step in (0, 25, 50, 100, 200, 400):
            add(table, (step, reported, torch.sigmoid(logits).mean(), x.mean()))
        adam.zero_grad()
        (-reported).backward()
        adam.step()
    return table


def q3(seed: int) -> Table:
    """Fault: one row of noise for the whole batch."""
    table: Table = {"batch size": [], "sd of one entry": [], "sd of the batch mean": []}
    g = make_generator(seed)
    for size in (1, 4, 16, 64, 256):
        draws = torch.stack([torch.randn(1, 1, generator=g).expand(size, 1) for _ in range(1000)])
        add(table, (size, draws[:, -1].std(), draws.mean(1).std()))
    return table


def q4(seed: int) -> Table:
    """Fault: the gradients of earlier steps are never cleared."""
    table: Table = {"step": [], "reported loss": [], "length ratio": []}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        gen, disc = mlp([2, 16, 2]), mlp([2, 16, 1])
    g, parameters = make_generator(seed), list(disc.parameters())
    optimizer = torch.optim.SGD(parameters, lr=0.05)
    x = gaussian_ring(256, generator=g)
    for step in range(1, 9):
        x_fake = gen(torch.randn(256, 2, generator=g)).detach()
        loss = softplus(-disc(x)).mean() + softplus(disc(x_fake)).mean()
        fresh = flat(torch.autograd.grad(loss, parameters, retain_graph=True))
        before = flat(parameters)
        loss.backward()
        optimizer.step()
        add(table, (step, loss, (flat(parameters) - before).norm() / (0.05 * fresh.norm())))
    return table


def q5(seed: int) -> Table:
    """Fault: the generator's loss is the saturating one."""
    table: Table = {"mean logit": [], "reported loss": [], "step length / lr": []}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        gen, disc = nn.Linear(2, 2), nn.Linear(2, 1)
    z = torch.randn(256, 2, generator=make_generator(seed))
    for wanted in (-12.0, -8.0, -4.0, 0.0, 4.0, 8.0):
        logits = disc(gen(z))
        logits = logits - logits.mean().detach() + wanted
        loss = -softplus(logits).mean()
        slope = flat(torch.autograd.grad(loss, list(gen.parameters())))
        add(table, (wanted, loss, slope.norm()))
    return table


def q6(seed: int) -> Table:
    """Fault: the mean of the means of unequal chunks."""
    x = digits8x8().x_train[:1000]
    mean = x.mean(0).clamp(0.01, 0.99)
    logits = (mean / (1 - mean)).log()
    x = torch.cat([x[:-1], 1 - x[-1:]])  # the last picture is a negative
    scores = (x * logits - softplus(logits)).sum(1)
    table: Table = {"rows at once": [], "reported mean": [], "score of the last row": []}
    for size in (1000, 500, 250, 600, 999):
        reported = torch.stack([part.mean() for part in scores.split(size)]).mean()
        add(table, (size, reported, scores[-1]))
    return table


def q7(seed: int) -> Table:
    """Fault: log K is not subtracted."""
    model, g = orthogonal_model(2, seed), make_generator(seed)
    x, _ = sample(model, 300, generator=g)
    exact = evidence(model).log_prob(x)
    table: Table = {"K": [], "reported - exact": [], "standard error": []}
    for num_samples in (1, 10, 100, 1000):
        z = torch.randn(num_samples, 300, 2, generator=g, dtype=torch.float64)
        log_lik = gaussian_log_prob(x, z @ model.weight.T, torch.zeros_like(x))
        gap = torch.logsumexp(log_lik, 0) - exact  # the proposal is the prior
        add(table, (num_samples, gap.mean(), gap.std() / math.sqrt(300)))
    return table


def q8(seed: int, weights: tuple[float, ...] = (0.0, 0.5, 2.0)) -> Table:
    """Fault: the identity term is taken through the wrong generator."""
    names = ("lambda_id", "mean of G(x)", "mean |G(x)-x|", "mean |G(y)-y|", "mean |F(G(x))-x|")
    table: Table = {name: [] for name in names}
    g = make_generator(seed)
    xs, ys = (0.5 * torch.randn(1000, 1, generator=g) + at for at in (-2.0, 2.0))
    for weight in weights:
        there, back = translators(xs, ys, weight, seed)
        with torch.no_grad():
            y_fake = there(xs)
            gaps = [(y_fake - xs), (there(ys) - ys), (back(y_fake) - xs)]
        add(table, (weight, y_fake.mean(), *(gap.abs().mean() for gap in gaps)))
    return table


def translators(xs: Tensor, ys: Tensor, weight: float, seed: int) -> tuple[nn.Module, nn.Module]:
    """Train both generators with the faulty identity term."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        there, back, disc_x, disc_y = (mlp([1, 16, 1], nn.Tanh) for _ in range(4))
    gens, discs = nn.ModuleList([there, back]), nn.ModuleList([disc_x, disc_y])
    adam = [torch.optim.Adam(part.parameters(), lr=0.005) for part in (gens, discs)]
    g = make_generator(seed)
    for _ in range(400):
        x, y = (part[torch.randint(1000, (64,), generator=g)] for part in (xs, ys))
        y_fake, x_fake = there(x), back(y)
        loss = (disc_y(y_fake) - 1).square().mean() + (disc_x(x_fake) - 1).square().mean()
        loss = loss + (back(y_fake) - x).abs().mean() + (there(x_fake) - y).abs().mean()
        loss = loss + weight * ((y_fake - x).abs().mean() + (x_fake - y).abs().mean())
        step(adam[0], loss)
        loss = (disc_x(x) - 1).square().mean() + disc_x(x_fake.detach()).square().mean()
        loss = loss + (disc_y(y) - 1).square().mean() + disc_y(y_fake.detach()).square().mean()
        step(adam[1], loss)
    return there, back


def q9(seed: int) -> Table:
    """Fault: the held-out rows are standardised with their own statistics."""
    x = digits8x8(binarise=None).x_train
    x = x[:, x.var(0).topk(5).indices].double()
    names = ("held-out rows", "train mean", "train sd", "held-out mean", "held-out sd")
    table: Table = {name: [] for name in names}
    for num_test in (10, 30, 100, 300):
        order = torch.randperm(len(x), generator=make_generator(seed))
        row = [float(num_test)]
        for part in (x[order[num_test:]], x[order[:num_test]]):
            part = (part - part.mean(0)) / part.std(0, correction=0)
            row += [part[:, 0].mean().item(), part[:, 0].std(correction=0).item()]
        add(table, row)
    return table


def flat(tensors: Any) -> Tensor:
    """All entries in one row, without a graph."""
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step down the loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def add(table: Table, row: Any) -> None:
    """Append a row, with four digits after the point, small numbers with seven."""
    for column, value in zip(table.values(), row, strict=True):
        number = value.item() if isinstance(value, Tensor) else float(value)
        digits = 4 if abs(number) >= 0.001 else 7
        column.append(round(number, digits) + 0.0)  # zero without a sign


MADE: dict[str, tuple[Callable[[int], Table], int]] = {
    "q1": (q1, 1), "q2": (q2, 2), "q3": (q3, 3), "q4": (q4, 4), "q5": (q5, 5),
    "q6": (q6, 6), "q7": (q7, 7), "q8": (q8, 8), "q9": (q9, 9),
}  # fmt: skip


def make(question: str) -> Table:
    """The table of one question; a first column of whole numbers is written without a point."""
    function, seed = MADE[question]
    table = function(seed)
    name, first = next(iter(table.items()))
    if all(value == int(value) for value in first):
        table[name] = [int(value) for value in first]
    return table


def block(question: str, table: Table) -> str:
    """The marked block of a question: the table as a dictionary."""
    lines = [f"# symptoms of {question}: begin", f"symptom_{question} = {{"]
    lines += [f'    "{name}": {column},' for name, column in table.items()]
    return "\n".join([*lines, "}", f"# symptoms of {question}: end", ""])


def blocks(text: str) -> dict[str, str]:
    """The marked blocks of a master, by question."""
    return {found.group(1): found.group(0) for found in BLOCK.finditer(text)}


def main() -> None:
    """Make all tables, and write them to both places."""
    torch.set_num_threads(1)
    tables = {name: make(name) for name in MADE}
    record = {
        "command": COMMAND,
        "date": datetime.date.today().isoformat(),
        "torch": torch.__version__.split("+")[0],
        "seeds": {name: seed for name, (_, seed) in MADE.items()},
        "tables": tables,
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    text = MASTER.read_text(encoding="utf-8")
    text = BLOCK.sub(lambda found: block(found.group(1), tables[found.group(1)]), text)
    MASTER.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
