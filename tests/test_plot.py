"""What the pictures hold: pixels, lines and points as given, labels, alternative text."""

import base64
import io
import runpy

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.image import imread

from dgm_teach import figure, plot
from dgm_teach.figure import COLOURS, set_style, show
from dgm_teach.plot import curves, image_grid, latent_scatter
from dgm_teach.rng import make_generator

mpl.use("Agg")
plt = mpl.pyplot


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


@pytest.fixture
def shown(monkeypatch):
    """What would be displayed in a notebook."""
    pictures = []
    monkeypatch.setattr(figure, "display", pictures.append)
    return pictures


@pytest.mark.parametrize("flat", [True, False])
def test_image_grid_puts_each_image_in_its_place(ax, flat):
    images = torch.rand(5, 4, 4, generator=make_generator(0))
    assert image_grid(images.flatten(1) if flat else images, ax, num_columns=3) is ax
    sheet = ax.images[0].get_array()
    assert sheet.shape == (12, 18)
    for number, image in enumerate(images):
        top, left = 6 * (number // 3) + 1, 6 * (number % 3) + 1
        np.testing.assert_array_equal(sheet[top : top + 4, left : left + 4], image)
    assert sheet.count() == 5 * 16


def test_image_grid_draws_one_as_black_whatever_the_range_of_the_data(ax):
    image_grid(torch.full((1, 4), 0.5), ax, num_columns=1)
    picture = ax.images[0]
    assert picture.get_clim() == (0, 1)
    assert picture.cmap(1.0)[:3] == (0, 0, 0)
    assert picture.cmap(0.0)[:3] == (1, 1, 1)


@pytest.mark.parametrize("images", [torch.ones(2, 9, dtype=torch.int64), torch.ones(2, 9).double()])
def test_image_grid_takes_whole_numbers_and_gradients(ax, images):
    image_grid(images, ax, num_columns=2)
    image_grid(images.float().requires_grad_(), ax, num_columns=2)
    assert [picture.get_array().sum() for picture in ax.images] == [18, 18]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 12), "images must be"),
        (torch.zeros(2, 2, 8), "images must be"),
        (torch.zeros(2, 1, 4, 4), "images must be"),
        (torch.zeros(0, 16), "images must be"),
        (torch.full((2, 16), 1.5), r"images must have values in \[0, 1\], got 1.5 to 1.5"),
        (torch.full((2, 16), -0.1), r"images must have values in \[0, 1\]"),
        (torch.full((2, 16), torch.nan), r"images must have values in \[0, 1\]"),
    ],
)
def test_image_grid_refuses_what_is_no_picture(ax, images, message):
    with pytest.raises(ValueError, match=message):
        image_grid(images, ax, num_columns=2)
    assert not ax.images


def test_image_grid_refuses_no_columns(ax):
    with pytest.raises(ValueError, match="num_columns must be at least 1, got 0"):
        image_grid(torch.zeros(1, 4), ax, num_columns=0)


def test_curves_draw_the_values_under_their_names(ax):
    series = {"list": [3.0, 2.0], "tensor": torch.tensor([1.0, 4.0]), "array": np.array([0.0, 1.0])}
    assert curves(series, ax, xlabel="epoch", ylabel="loss (nats per image)") is ax
    for line, (name, values) in zip(ax.lines, series.items(), strict=True):
        assert line.get_label() == name
        np.testing.assert_array_equal(line.get_xdata(), [1, 2])
        np.testing.assert_array_equal(line.get_ydata(), values)
    assert ax.get_xlabel() == "epoch"
    assert ax.get_ylabel() == "loss (nats per image)"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(series)


def test_curves_stand_at_x(ax):
    curves({"a": [3.0, 2.0]}, ax, xlabel="time (s)", ylabel="loss (nats)", x=[0.5, 0.75])
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0.5, 0.75])


def test_curves_differ_in_colour_and_neighbours_in_style(ax):
    curves({str(k): [0.0, 1.0] for k in range(8)}, ax, xlabel="x", ylabel="y")
    assert len({line.get_color() for line in ax.lines}) == 8
    for start in range(5):
        assert len({line.get_linestyle() for line in ax.lines[start : start + 4]}) == 4


@pytest.mark.parametrize(
    ("series", "changes", "message"),
    [
        ({}, {}, "series must hold 1 to 8 curves, got 0"),
        ({str(k): [1.0] for k in range(9)}, {}, "series must hold 1 to 8 curves, got 9"),
        ({"a": []}, {}, r"series\['a'\] must have a value for each x, got 0"),
        ({"a": [1.0]}, {"x": [1.0, 2.0]}, r"series\['a'\] must have a value for each x, got 1"),
        ({"a": [1.0]}, {"xlabel": ""}, "xlabel and ylabel must not be empty"),
        ({"a": [1.0]}, {"ylabel": " "}, "xlabel and ylabel must not be empty"),
    ],
)
def test_curves_refuse_bad_input(ax, series, changes, message):
    with pytest.raises(ValueError, match=message):
        curves(series, ax, **{"xlabel": "x", "ylabel": "y"} | changes)


def test_latent_scatter_draws_each_class_and_its_number(ax):
    labels = torch.arange(30) % 10
    mu = torch.randn(30, 2, generator=make_generator(0)).requires_grad_()
    assert latent_scatter(mu, labels, ax) is ax
    looks = set()
    for label, (points, text) in enumerate(zip(ax.collections, ax.texts, strict=True)):
        codes = mu[labels == label].detach()
        np.testing.assert_array_equal(points.get_offsets(), codes)
        assert text.get_text() == str(label)
        assert text.xy == pytest.approx(codes.median(0).values.numpy())
        looks.add((points.get_facecolor().tobytes(), points.get_paths()[0].vertices.tobytes()))
    assert len(looks) == 10
    assert "standard deviation" in ax.get_xlabel()
    assert "standard deviation" in ax.get_ylabel()


@pytest.mark.parametrize("shape", [(5, 3), (4, 2), (0, 2)])
def test_latent_scatter_refuses_other_shapes(ax, shape):
    labels = torch.zeros(5 if shape[0] else 0, dtype=torch.int64)
    # A copy of the module without the run-time type checker, as readers have it.
    unchecked = runpy.run_path(plot.__file__)["latent_scatter"]
    with pytest.raises(ValueError, match=r"mu must have shape"):
        unchecked(torch.zeros(shape), labels, ax)


def test_show_displays_the_picture_with_its_words(shown):
    fig, ax = plt.subplots(figsize=(4, 3), dpi=50)
    ax.plot([0, 1])
    show(fig, 'A line "rises" & <falls>')
    (picture,) = shown
    output = picture._repr_mimebundle_()
    assert output["text/plain"] == repr(picture) == 'A line "rises" & <falls>'
    assert 'alt="A line &quot;rises&quot; &amp; &lt;falls&gt;"' in output["text/html"]
    assert 'width="200"' in output["text/html"]
    assert output["image/png"] in output["text/html"]
    pixels = imread(io.BytesIO(base64.b64decode(output["image/png"])), format="png")
    assert pixels.shape[:2] == (300, 400)
    assert pixels[..., :3].std() > 0
    assert not plt.fignum_exists(fig.number)


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_show_refuses_a_picture_without_words(shown, ax, alt):
    with pytest.raises(ValueError, match="alt must say what the picture shows"):
        show(ax.figure, alt)
    assert shown == []


def test_show_outside_a_notebook_prints_the_words(ax, capsys):
    show(ax.figure, "An empty pair of axes")
    assert capsys.readouterr().out == "An empty pair of axes\n"


def test_set_style_is_opaque_white_and_changes_nothing_before_it_is_called():
    with mpl.rc_context():
        mpl.rcdefaults()
        before = mpl.rcParams["axes.prop_cycle"]
        assert before.by_key()["color"][0] not in COLOURS
        set_style()
        assert mpl.rcParams["axes.prop_cycle"].by_key()["color"] == list(COLOURS)
        assert mpl.rcParams["figure.facecolor"] == mpl.rcParams["savefig.facecolor"] == "white"


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_first_three_colours_stand_out_on_white():
    # WCAG 2.1, 1.4.11: graphics need a contrast of 3 to 1 with their ground.
    for colour in COLOURS[:3]:
        assert 1.05 / (luminance(mpl.colors.to_rgb(colour)) + 0.05) >= 3
