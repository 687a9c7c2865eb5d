"""The two domains and the typeset digits, against SciPy and by hand."""

import pytest
import torch
from scipy.ndimage import maximum_filter
from torch.testing import assert_close

from dgm_teach.data import mnist5k
from dgm_teach.domains import COLOURS, FONTS, on_paper, outlined, typeset_digits
from dgm_teach.rng import make_generator


def ink(n=4):
    return torch.rand(n, 784, generator=make_generator(0), dtype=torch.float64)


def test_paper_is_1_and_ink_is_minus_1():
    x = on_paper(torch.tensor([[0.0, 1.0, 0.25] + [0.0] * 781]))
    assert x.shape == (1, 3, 28, 28)
    for channel in x[0]:
        assert channel.flatten()[:4].tolist() == [1.0, -1.0, 0.5, 1.0]


def test_outlined_agrees_with_scipy():
    i = ink().view(-1, 28, 28).numpy()
    grown = maximum_filter(i, size=(1, 3, 3), mode="constant", cval=0.0)
    made = outlined(ink())
    for channel, (ground, outline, stroke) in enumerate(zip(*COLOURS, strict=True)):
        truth = ground * (1 - grown) + outline * (grown - i) + stroke * i
        assert_close(made[:, channel], torch.from_numpy(truth))


def test_colours_of_a_dot():
    dot = torch.zeros(1, 784)
    dot[0, 10 * 28 + 5] = 1
    colours = ((1.0, 0.5, 0.0), (-1.0, -1.0, -0.5), (0.0, 0.1, 0.2))
    y = outlined(dot, colours=colours)[0]
    assert_close(y[:, 10, 5], torch.tensor(colours[2]))
    for row, column in ((9, 4), (9, 5), (11, 6), (10, 4)):
        assert_close(y[:, row, column], torch.tensor(colours[1]))
    for row, column in ((8, 5), (10, 7), (12, 5)):
        assert_close(y[:, row, column], torch.tensor(colours[0]))


def test_pictures_stay_in_range():
    x = mnist5k(binarise=None).x_test
    for made in (on_paper(x), outlined(x)):
        assert made.abs().max() <= 1


def test_every_font_gives_ten_digits_of_the_right_size():
    rows, labels = typeset_digits()
    assert rows.shape == (10 * len(FONTS), 784)
    assert labels.tolist() == list(range(10)) * len(FONTS)
    assert rows.min() >= 0
    assert rows.max() <= 1
    pictures = rows.view(-1, 28, 28)
    for axis in (1, 2):
        seen = pictures.amax(axis) > 0.05
        first, last = seen.float().argmax(1), 27 - seen.flip(1).float().argmax(1)
        assert (last - first + 1 <= 22).all()  # 20 pixels, and a part of one at each end
        assert ((first + last - 27).abs() <= 1).all()  # in the middle
    assert ((pictures.amax(2) > 0.05).sum(1) >= 19).all()


def test_holes_stay_open():
    # the 0 is a ring: paper in the middle of the picture, ink left and right of it
    pictures = typeset_digits(("DejaVuSans",))[0].view(10, 28, 28)
    row = pictures[0, 14]
    assert row[14] == 0
    assert row[:14].max() == 1
    assert row[15:].max() == 1
    assert not torch.equal(pictures[6], pictures[9])
    assert_close(pictures[6], pictures[9].flip(0, 1), atol=0.6, rtol=0)  # half a turn, nearly


@pytest.mark.parametrize("make", [on_paper, outlined])
def test_bad_ink_is_refused(make):
    with pytest.raises(ValueError, match=r"ink must have shape \[n, 784\], got \[2, 783\]"):
        make(torch.zeros(2, 783))
    with pytest.raises(ValueError, match=r"ink must be in \[0, 1\], got 0 to 1\.5"):
        make(torch.tensor([[1.5] + [0.0] * 783]))
    with pytest.raises(ValueError, match=r"ink must be in \[0, 1\], got -0\.5 to 0"):
        make(torch.tensor([[-0.5] + [0.0] * 783]))


def test_an_unknown_font_is_refused():
    with pytest.raises(ValueError, match=r"fonts must be files in Matplotlib's .*, got 'Nowhere'"):
        typeset_digits(("DejaVuSans", "Nowhere"))


def test_every_font_draws_its_own_digits():
    pictures = typeset_digits()[0].view(len(FONTS), 10, 784)
    for i in range(len(FONTS)):
        for j in range(i):
            assert (pictures[i] - pictures[j]).abs().amax(1).min() > 0.1


def test_a_digit_is_black_on_white_and_20_pixels_high():
    """The pixels inside are all ink, the border is none, and a 1 is 20 pixels high."""
    one = typeset_digits(("DejaVuSans",))[0][1].view(28, 28)
    assert one.max() == 1
    assert one[0].max() == one[:, 0].max() == 0
    assert one.sum(0).max().item() == pytest.approx(20, abs=0.1)  # the stem, edges in part
