"""The four loops that are compared; each function returns what runs one epoch.

All train 784-400-20 with batches of 128 and Adam at 1e-3 on the rows of ``x``, binary images. The
training loops return the loss in nats per image, as a loop that reports its progress does.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as nnf
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from dgm_teach.data import minibatches
from dgm_teach.rng import make_generator
from dgm_teach.vae_nets import mlp_vae
from dgm_teach.vae_training import vae_step

DATA_DIM, HIDDEN_DIM, LATENT_DIM = 784, 400, 20
BATCH_SIZE = 128
LR = 1e-3

Epoch = Callable[[], object]


def ours(x: Tensor) -> Epoch:
    """The loop of the book: rows of a tensor, and ``vae_step`` with the fused Adam."""
    model = mlp_vae(DATA_DIM, HIDDEN_DIM, LATENT_DIM).to(x.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
    generator = make_generator(0, x.device)

    def epoch() -> float:
        batches = minibatches(x, BATCH_SIZE, generator=generator)
        steps = [vae_step(model, optimizer, batch, generator=generator) for batch in batches]
        return torch.stack([step.kl - step.log_lik for step in steps]).mean().item()

    return epoch


class TutorialVAE(nn.Module):
    """The network as tutorials write it: two heads, and probabilities for output."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(DATA_DIM, HIDDEN_DIM)
        self.fc21 = nn.Linear(HIDDEN_DIM, LATENT_DIM)
        self.fc22 = nn.Linear(HIDDEN_DIM, LATENT_DIM)
        self.fc3 = nn.Linear(LATENT_DIM, HIDDEN_DIM)
        self.fc4 = nn.Linear(HIDDEN_DIM, DATA_DIM)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities of the pixels, mean and log variance of q(z|x)."""
        h = nnf.relu(self.fc1(images.view(-1, DATA_DIM)))
        mu, log_var = self.fc21(h), self.fc22(h)
        sigma = torch.exp(0.5 * log_var)
        z = mu + torch.randn_like(sigma) * sigma
        return torch.sigmoid(self.fc4(nnf.relu(self.fc3(z)))), mu, log_var


def tutorial_step(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor) -> float:
    """One step on the sum over the batch; the loss is read at once."""
    optimizer.zero_grad()
    probs, mu, log_var = model(images)
    bce = nnf.binary_cross_entropy(probs, images.view(-1, DATA_DIM), reduction="sum")
    kl = -0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp())
    loss = bce + kl
    loss.backward()
    value = loss.item()
    optimizer.step()
    return value


class ImageDataset(Dataset[tuple[Tensor, int]]):
    """Images one at a time by way of PIL, as torchvision's ``MNIST`` and ``ToTensor`` make them."""

    def __init__(self, x: Tensor) -> None:
        self.data = (x * 255).to(torch.uint8).view(-1, 28, 28).cpu()
        self.targets = torch.zeros(len(x), dtype=torch.int64)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.data[index].numpy())
        pixels = torch.from_numpy(np.array(image, np.uint8, copy=True))
        pixels = pixels.view(image.size[1], image.size[0], 1).permute(2, 0, 1).contiguous()
        return pixels.to(torch.get_default_dtype()).div(255), int(self.targets[index])


def tutorial(x: Tensor) -> Epoch:
    """The usual loop: a DataLoader over single images, default Adam."""
    model = TutorialVAE().to(x.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    loader = DataLoader(ImageDataset(x), batch_size=BATCH_SIZE, shuffle=True, num_workers=0)

    def epoch() -> float:
        total = 0.0
        for images, _ in loader:
            total += tutorial_step(model, optimizer, images.to(x.device))
        return total / len(x)

    return epoch


def ready_tensors(x: Tensor) -> Epoch:
    """The usual loop on rows of a tensor in memory, without a DataLoader."""
    model = TutorialVAE().to(x.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    images = x.view(-1, 1, 28, 28)

    def epoch() -> float:
        total = 0.0
        for rows in torch.randperm(len(x), device=x.device).split(BATCH_SIZE):
            total += tutorial_step(model, optimizer, images[rows])
        return total / len(x)

    return epoch


def matrix_products(x: Tensor) -> Epoch:
    """The floor: the matrix products of an epoch's steps and nothing else."""
    shapes = [(DATA_DIM, HIDDEN_DIM), (HIDDEN_DIM, 2 * LATENT_DIM)]
    shapes += [(LATENT_DIM, HIDDEN_DIM), (HIDDEN_DIM, DATA_DIM)]
    weights = [torch.randn(b, a, device=x.device) for a, b in shapes]
    steps = []
    for rows in x.split(BATCH_SIZE):
        inputs = [torch.randn(len(rows), a, device=x.device) for a, _ in shapes]
        slopes = [torch.randn(len(rows), b, device=x.device) for _, b in shapes]
        steps.append((inputs, slopes))

    def epoch() -> None:
        for inputs, slopes in steps:
            products(weights, inputs, slopes)

    return epoch


def products(weights: Sequence[Tensor], inputs: Sequence[Tensor], slopes: Sequence[Tensor]) -> None:
    """Products of one step: forward, weight gradients, input gradients (the images need none)."""
    for weight, layer_input in zip(weights, inputs, strict=True):
        torch.mm(layer_input, weight.T)
    for layer_input, slope in zip(inputs, slopes, strict=True):
        torch.mm(slope.T, layer_input)
    for weight, slope in zip(weights[1:], slopes[1:], strict=True):
        torch.mm(slope, weight)


LOOPS: dict[str, Callable[[Tensor], Epoch]] = {
    "ours": ours,
    "tutorial": tutorial,
    "ready tensors": ready_tensors,
    "floor": matrix_products,
}
