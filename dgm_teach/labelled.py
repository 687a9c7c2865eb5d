r"""A conditional GAN: both players see pairs of an example and its label.

A pair is a row: the numbers of the example, and behind them its label as a row of zeros with a one
(one-hot). To the steps and the loop of :mod:`dgm_teach.gan` it is an example like any other.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import one_hot

from dgm_teach.require import require_at_least


def join_labels(
    x: Float[Tensor, "batch data"], labels: Int64[Tensor, " batch"], num_labels: int
) -> Float[Tensor, "batch pair"]:
    r"""Put the label of every example behind it, as a row of zeros with a one.

    Parameters
    ----------
    x
        Examples, one row each.
    labels
        The label of each, from 0 to ``num_labels`` − 1.
    num_labels
        Number of different labels, at least 1.

    Returns
    -------
    One pair a row, ``data + num_labels`` numbers.

    Raises
    ------
    ValueError
        If ``num_labels`` is less than 1, a label is out of range, or their number is not that of
        the examples.
    """
    return torch.cat([x, _codes(labels, len(x), num_labels).to(x)], dim=1)


def ask_for(
    labels: Int64[Tensor, " batch"], z: Float[Tensor, "batch latent"], num_labels: int
) -> Float[Tensor, "batch latent"]:
    r"""Noise for which a :class:`LabelledGenerator` makes examples with the labels asked for.

    Parameters
    ----------
    labels
        The label wanted in each row, from 0 to ``num_labels`` − 1.
    z
        Noise; its first ``num_labels`` coordinates are replaced.
    num_labels
        Number of different labels, at least 1.

    Returns
    -------
    Noise of the same shape.

    Raises
    ------
    ValueError
        As :func:`join_labels` does, and if ``z`` has no more than ``num_labels`` coordinates.
    """
    codes = _codes(labels, len(z), num_labels)
    require_at_least(num_labels + 1, latent_dim=z.shape[1])
    return torch.cat([codes.to(z), z[:, num_labels:]], dim=1)


class LabelledGenerator(nn.Module):
    r"""Makes a pair of an example and its label out of one noise vector.

    The first coordinates of z, one for each label, choose the label: it is the number of the
    largest. They are independent and alike, so every label is equally likely. The other
    coordinates vary the example.

    Parameters
    ----------
    body
        Network from ``[batch, latent_dim]`` to examples, ``[batch, data]``. In place of the first
        coordinates of z it sees the label, as a row of zeros with a one.
    num_labels
        Number of different labels, at least 1.

    Raises
    ------
    ValueError
        If ``num_labels`` is less than 1.

    Notes
    -----
    Equation ``def-gan-labelled``. Mirza and Osindero (2014).
    """

    def __init__(self, body: nn.Module, num_labels: int) -> None:
        super().__init__()
        require_at_least(1, num_labels=num_labels)
        self.body, self.num_labels = body, num_labels

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch pair"]:
        r"""Pairs, as :func:`join_labels` makes them."""
        labels = z[:, : self.num_labels].argmax(dim=1)
        x = self.body(ask_for(labels, z, self.num_labels))
        return join_labels(x, labels, self.num_labels)


class ProjectionDiscriminator(nn.Module):
    r"""Logit of a pair: one part for the example, and one for how well the label suits it.

    .. math:: a(x,y) = w^\top\varphi(x) + b + v_y^\top\varphi(x)

    Parameters
    ----------
    features
        Network from examples, ``[batch, data]``, to features, ``[batch, num_features]``.
    num_features, num_labels
        Number of features and of different labels, each at least 1.

    Raises
    ------
    ValueError
        If a number is less than 1.

    Notes
    -----
    Equation ``eq-gan-projection``. Miyato and Koyama (2018).
    Oracle: the log ratio of two joint densities of this form.
    """

    def __init__(self, features: nn.Module, num_features: int, num_labels: int) -> None:
        super().__init__()
        require_at_least(1, num_features=num_features, num_labels=num_labels)
        self.features, self.num_labels = features, num_labels
        self.marginal = nn.Linear(num_features, 1)
        self.label_weights = nn.Linear(num_features, num_labels, bias=False)

    def forward(self, pairs: Float[Tensor, "batch pair"]) -> Float[Tensor, " batch"]:
        r"""One logit per pair."""
        x, labels = pairs[:, : -self.num_labels], pairs[:, -self.num_labels :]
        phi = self.features(x)
        return self.marginal(phi)[:, 0] + (labels * self.label_weights(phi)).sum(dim=1)


def _codes(labels: Tensor, num_rows: int, num_labels: int) -> Tensor:
    """Labels as rows of zeros with a one, after checking them."""
    require_at_least(1, num_labels=num_labels)
    if len(labels) != num_rows:
        raise ValueError(f"labels must have {num_rows} entries, got {len(labels)}")
    if not torch.all((labels >= 0) & (labels < num_labels)):
        raise ValueError(f"labels must be from 0 to {num_labels - 1}, got {labels.tolist()}")
    return one_hot(labels, num_labels)
