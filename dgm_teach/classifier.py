r"""A small classifier of images, for its features and for reading generated digits."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from dgm_teach.data import minibatches
from dgm_teach.generate import evaluating
from dgm_teach.require import require_at_least

_CHUNK = 500  # images at a time: the first layer holds 16 kB for each


class ImageClassifier(nn.Module):
    r"""Convolutional classifier of 32×32 images whose last hidden layer serves as features.

    Parameters
    ----------
    num_labels
        Number of classes, at least 1.
    num_features
        Units of the last hidden layer, at least 1.

    Raises
    ------
    ValueError
        If a number is less than 1.
    """

    def __init__(self, num_labels: int = 10, *, num_features: int = 32) -> None:
        super().__init__()
        require_at_least(1, num_labels=num_labels, num_features=num_features)
        self.body = nn.Sequential(
            nn.Unflatten(1, (1, 32, 32)),
            nn.Conv2d(1, 16, 4, stride=2, padding=1),  # 32 -> 16
            nn.ReLU(),
            nn.Conv2d(16, 32, 4, stride=2, padding=1),  # 16 -> 8
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 8 * 8, num_features),
        )
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(num_features, num_labels))

    def forward(self, x: Float[Tensor, "batch pixels"]) -> Float[Tensor, "batch labels"]:
        r"""Logits of the classes."""
        return self.head(self.body(x))


def train_classifier(
    classifier: ImageClassifier,
    x: Float[Tensor, "images pixels"],
    labels: Int64[Tensor, " images"],
    *,
    num_epochs: int = 5,
    batch_size: int = 32,
    lr: float = 3e-3,
    generator: torch.Generator | None = None,
) -> list[float]:
    r"""Fit a classifier by maximum likelihood, with a learning rate that falls to zero.

    Parameters
    ----------
    classifier
        It is changed in place.
    x, labels
        Images, one row each, and the class of each.
    num_epochs, batch_size
        Passes through the images, and images in a batch, each at least 1.
    lr
        Learning rate of Adam at the start.
    generator
        Source of the order of the images.

    Returns
    -------
    The mean cross-entropy of each epoch, in nats per image.

    Raises
    ------
    ValueError
        If ``num_epochs`` or ``batch_size`` is less than 1.
    """
    require_at_least(1, num_epochs=num_epochs, batch_size=batch_size)
    optimizer = torch.optim.Adam(classifier.parameters(), lr=lr, fused=True)
    num_steps = num_epochs * -(-len(x) // batch_size)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=num_steps)
    curve = []
    for _ in tqdm(range(num_epochs), desc="classifier", unit="epoch"):
        total = torch.zeros((), device=x.device)
        rows_of_x = torch.arange(len(x), device=x.device)
        for rows in minibatches(rows_of_x, batch_size, generator=generator):
            loss = cross_entropy(classifier(x[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += len(rows) * loss.detach()
        curve.append(total.item() / len(x))
    return curve


def features(
    classifier: ImageClassifier, x: Float[Tensor, "images pixels"]
) -> Float[Tensor, "images features"]:
    r"""Last hidden layer of a classifier, before its activation; the classifier stays as it is.

    Parameters
    ----------
    classifier
        A trained classifier.
    x
        Images, one row each.

    Returns
    -------
    One row of features per image, without a graph.
    """
    with evaluating(classifier):
        return torch.cat([classifier.body(part) for part in x.split(_CHUNK)])


def predict(
    classifier: ImageClassifier, x: Float[Tensor, "images pixels"]
) -> Int64[Tensor, " images"]:
    r"""The most probable class of every image; the classifier stays as it is.

    Parameters
    ----------
    classifier
        A trained classifier.
    x
        Images, one row each.

    Returns
    -------
    One class per image.
    """
    with evaluating(classifier):
        return torch.cat([classifier(part).argmax(dim=1) for part in x.split(_CHUNK)])
