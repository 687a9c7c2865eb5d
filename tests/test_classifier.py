"""The classifier of images: it learns what can be learned, and is left alone when it is asked."""

import pytest
import torch
from oracles import State
from torch import nn
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from dgm_teach.classifier import ImageClassifier, features, predict, train_classifier
from dgm_teach.rng import make_generator


def stripes(n, seed):
    """Noisy images with a bright left, right or upper half."""
    labels = torch.arange(n) % 3
    x = torch.randn(n, 32, 32, generator=make_generator(seed))
    x[labels == 0, :, :16] += 1
    x[labels == 1, :, 16:] += 1
    x[labels == 2, :16] += 1
    return x.flatten(1), labels


def trained(**settings):
    torch.manual_seed(0)
    classifier = ImageClassifier(3, num_features=6)
    x, labels = stripes(150, 0)
    curve = train_classifier(classifier, x, labels, generator=make_generator(0), **settings)
    return classifier, curve


def test_it_learns_to_tell_halves_apart():
    classifier, curve = trained(num_epochs=3)
    x, labels = stripes(90, 1)
    assert (predict(classifier, x) == labels).float().mean() > 0.95
    assert len(curve) == 3
    assert curve[-1] < curve[0]


def test_the_curve_is_the_mean_over_images():
    # with a learning rate of 0 nothing moves, and 150 images make ragged batches of 64
    classifier, curve = trained(num_epochs=2, batch_size=64, lr=0.0)
    x, labels = stripes(150, 0)
    mean = cross_entropy(classifier(x), labels).item()
    assert_close(curve, [mean, mean], rtol=1e-5, atol=0)


def test_the_learning_rate_reaches_zero_at_the_last_step():
    rates = []
    step = torch.optim.Adam.step

    def watched(self, *args, **kwargs):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", watched)
        trained(num_epochs=2, batch_size=64, lr=0.6)
    # six steps, from 0.6 down by a sixth of it; the seventh would have the rate 0
    assert_close(rates, [0.6, 0.5, 0.4, 0.3, 0.2, 0.1])


def test_the_noise_comes_from_the_generator():
    first, second = trained(num_epochs=1)[0], trained(num_epochs=1)[0]
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_features_and_classes_belong_together():
    classifier, _ = trained(num_epochs=1)
    x, _ = stripes(7, 2)
    before = State(classifier)
    phi = features(classifier, x)
    assert phi.shape == (7, 6)
    assert not phi.requires_grad
    assert phi.min() < 0  # before the activation
    assert_close(classifier.head(phi), classifier(x))
    assert torch.equal(predict(classifier, x), classifier(x).argmax(1))
    assert before.same_as(State(classifier))


def test_many_images_are_taken_in_parts(monkeypatch):
    monkeypatch.setattr("dgm_teach.classifier._CHUNK", 3)
    classifier = ImageClassifier(3, num_features=6)
    x, _ = stripes(7, 2)
    # float32 sums in another order
    assert_close(features(classifier, x), classifier.body(x).detach(), rtol=0, atol=1e-5)
    assert torch.equal(predict(classifier, x), classifier(x).argmax(1))


def test_the_default_sizes():
    classifier = ImageClassifier()
    assert classifier(torch.zeros(2, 1024)).shape == (2, 10)
    assert features(classifier, torch.zeros(2, 1024)).shape == (2, 32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ImageClassifier(0), "num_labels must be at least 1, got 0"),
        (lambda: ImageClassifier(num_features=0), "num_features must be at least 1, got 0"),
        (lambda: trained(num_epochs=0), "num_epochs must be at least 1, got 0"),
        (lambda: trained(batch_size=0), "batch_size must be at least 1, got 0"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_layers():
    classifier = ImageClassifier()
    layers = [type(layer) for layer in (*classifier.body, *classifier.head)]
    assert layers == [
        nn.Unflatten, nn.Conv2d, nn.ReLU, nn.Conv2d, nn.ReLU, nn.Flatten, nn.Linear,
        nn.ReLU, nn.Linear,
    ]  # fmt: skip
    # both halve the side, with one row of padding on each side
    for layer in (classifier.body[1], classifier.body[3]):
        assert (layer.stride, layer.padding) == ((2, 2), (1, 1))


def test_the_defaults_are_five_epochs_of_batches_of_32(monkeypatch):
    sizes = []

    def watched(logits, labels):
        sizes.append(len(labels))
        return cross_entropy(logits, labels)

    monkeypatch.setattr("dgm_teach.classifier.cross_entropy", watched)
    _, curve = trained()
    assert len(curve) == 5
    assert sizes == [32, 32, 32, 32, 22] * 5


def test_the_order_comes_from_the_generator_alone():
    def weights(global_seed, seed):
        torch.manual_seed(0)
        classifier = ImageClassifier(3, num_features=6)
        torch.manual_seed(global_seed)
        train_classifier(classifier, *stripes(150, 0), num_epochs=1, generator=make_generator(seed))
        return classifier.head[1].weight

    assert torch.equal(weights(0, 1), weights(5, 1))
    assert not torch.equal(weights(0, 1), weights(0, 2))


def test_a_bar_counts_the_epochs(capsys):
    trained(num_epochs=2, batch_size=64)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "classifier: 100%" in shown.err
    assert "epoch/s" in shown.err or "s/epoch" in shown.err
    assert "2/2" in shown.err
