"""Self-checks of assignment 5, silent bugs: the answers are tests, and are tested themselves.

Each check runs a test on one sound implementation of the contract and on one that is plainly
broken. The planted faults are not here.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from dgm_teach.checks.report import NotAnsweredError, WrongAnswerError, expect, self_check
from dgm_teach.cyclegan import least_squares
from dgm_teach.gaussian import gaussian_kl, gaussian_log_prob, reparameterise
from dgm_teach.generate import evaluating
from dgm_teach.likelihoods import bernoulli_log_lik

Test = Callable[[Callable[..., Any]], Any]


@self_check
def q1(test_negative_elbo: Test) -> None:
    r"""The test of a negative ELBO."""

    def sound(x: Tensor, x_rec: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
        return gaussian_kl(mu, log_var) - gaussian_log_prob(x, x_rec, torch.zeros_like(x))

    def broken(x: Tensor, x_rec: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
        return x.new_zeros(len(x))

    _judge(test_negative_elbo, sound, broken, "returns zeros")


@self_check
def q2(test_log_lik: Test) -> None:
    r"""The test of a Bernoulli log-likelihood."""

    def broken(x: Tensor, logits: Tensor) -> Tensor:
        return x.new_zeros(len(x))

    _judge(test_log_lik, lambda x, logits: bernoulli_log_lik(x, logits), broken, "returns zeros")


@self_check
def q3(test_sampler: Test) -> None:
    r"""The test of a reparameterised sampler."""

    def sound(mu: Tensor, log_var: Tensor, *, generator: torch.Generator) -> Tensor:
        return reparameterise(mu, log_var, generator=generator)

    def broken(mu: Tensor, log_var: Tensor, *, generator: torch.Generator) -> Tensor:
        return 0 * mu + 0 * log_var

    _judge(test_sampler, sound, broken, "returns zeros")


@self_check
def q4(test_disc_step: Test) -> None:
    r"""The test of a step of the discriminator."""

    def sound(
        gen: nn.Module, disc: nn.Module, opt_gen: Any, opt_disc: Any, x: Tensor, z: Tensor
    ) -> Tensor:
        with torch.no_grad():
            x_fake = gen(z)
        loss = softplus(-disc(x)).mean() + softplus(disc(x_fake)).mean()
        return _descend(opt_disc, loss)

    _judge(test_disc_step, sound, lambda *_: torch.tensor(0.0), "does nothing and returns 0")


@self_check
def q5(test_gen_step: Test) -> None:
    r"""The test of a step of the generator."""

    def sound(gen: nn.Module, disc: nn.Module, opt_gen: Any, opt_disc: Any, z: Tensor) -> Tensor:
        return _descend(opt_gen, softplus(-disc(gen(z))).mean())

    _judge(test_gen_step, sound, lambda *_: torch.tensor(0.0), "does nothing and returns 0")


@self_check
def q6(test_evaluate: Test) -> None:
    r"""The test of an evaluation."""

    def sound(model: nn.Module, x: Tensor, chunk_size: int) -> float:
        with evaluating(model):
            return torch.cat([model(part) for part in x.split(chunk_size)]).mean().item()

    _judge(test_evaluate, sound, lambda model, x, chunk_size: 0.0, "returns 0")


@self_check
def q7(test_bound: Test) -> None:
    r"""The test of a K-sample bound."""

    def sound(log_lik: Tensor, log_prior: Tensor, log_q: Tensor) -> Tensor:
        return torch.logsumexp(log_lik + log_prior - log_q, 0) - math.log(len(log_q))

    def broken(log_lik: Tensor, log_prior: Tensor, log_q: Tensor) -> Tensor:
        return torch.zeros_like(log_lik[0])

    _judge(test_bound, sound, broken, "returns zeros")


@self_check
def q8(test_cycle_loss: Test) -> None:
    r"""The test of the loss of CycleGAN's generators."""

    def sound(
        gen_xy: Any, gen_yx: Any, disc_x: Any, disc_y: Any, x: Tensor, y: Tensor,
        lambda_cyc: float, lambda_id: float,
    ) -> Tensor:  # fmt: skip
        def l1(a: Tensor, b: Tensor) -> Tensor:
            return (a - b).abs().sum(1).mean()

        y_fake, x_fake = gen_xy(x), gen_yx(y)
        fooled = least_squares(disc_y(y_fake), 1.0) + least_squares(disc_x(x_fake), 1.0)
        cycle = l1(gen_yx(y_fake), x) + l1(gen_xy(x_fake), y)
        identity = l1(gen_xy(y), y) + l1(gen_yx(x), x)
        return fooled.mean() + lambda_cyc * cycle + lambda_id * identity

    _judge(test_cycle_loss, sound, lambda *_, **__: torch.tensor(0.0), "returns 0")


@self_check
def q9(test_prepare: Test) -> None:
    r"""The test of a prepared data set."""

    def sound(x: Tensor, num_test: int, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        order = torch.randperm(len(x), generator=generator)
        test, train = x[order].split([num_test, len(x) - num_test])
        mean, sd = train.mean(0), train.std(0, correction=0)
        return (train - mean) / sd, (test - mean) / sd

    def broken(x: Tensor, num_test: int, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(x[num_test:]), torch.zeros_like(x[:num_test])

    _judge(test_prepare, sound, broken, "returns zeros")


def _descend(optimizer: Any, loss: Tensor) -> Tensor:
    """One step with fresh gradients; the loss before it."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def _judge(test: Test, sound: Callable[..., Any], broken: Callable[..., Any], how: str) -> None:
    """Refuse a test that accuses the sound implementation or accepts the broken one."""
    calls = []

    def watched(*arguments: Any, **keywords: Any) -> Any:
        calls.append(1)
        return sound(*arguments, **keywords)

    for implementation in (watched, broken, watched):
        error = _raised(test, implementation)
        if isinstance(error, NotImplementedError):
            raise error
        if not calls and error is None:
            raise NotAnsweredError("the test never calls the candidate")
        if implementation is watched and error is not None:
            text = str(error).split("\n", 1)[0] or "no message"
            raise WrongAnswerError(
                "It accuses a sound implementation, with "
                f"{type(error).__name__}: {text}. Does it ask for more than the contract?"
            )
        expect(
            implementation is watched or error is not None,
            f"It accepts an implementation that {how}: no exception came. "
            "Which line looks at the values, and does it raise?",
        )


def _raised(test: Test, candidate: Callable[..., Any]) -> BaseException | None:
    """What the test raised; ``pytest.raises`` fails with no subclass of Exception."""
    try:
        test(candidate)
    except Exception as error:
        return error
    except BaseException as error:
        if type(error).__name__ != "Failed":
            raise
        return error
    return None
