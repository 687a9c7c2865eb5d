r"""Two domains of pictures made from digits, and typeset digits: pixels from −1 to 1."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from matplotlib import get_data_path
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D
from torch import Tensor
from torch.nn.functional import max_pool2d

SIDE = 28
# red, green, blue of the ground, of the outline and of the strokes
COLOURS = ((0.96, 0.44, -0.30), (-0.70, -0.80, -0.60), (0.50, -0.60, -0.76))
FONTS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono",
    "DejaVuSansMono-Bold", "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic",
    "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "cmr10", "cmb10", "cmss10", "cmtt10",
)  # fmt: skip


def on_paper(ink: Float[Tensor, "n pixels"]) -> Float[Tensor, "n 3 28 28"]:
    r"""Black ink on white paper, as a picture with three equal channels.

    Parameters
    ----------
    ink
        Amount of ink in [0, 1], rows of 784 pixels.

    Returns
    -------
    1 − 2 · ink in every channel.

    Raises
    ------
    ValueError
        If the rows have not 784 pixels, or a pixel lies outside [0, 1].

    Notes
    -----
    Oracle: the formula, by hand.
    """
    return (1 - 2 * _squares(ink)).expand(-1, 3, -1, -1).contiguous()


def outlined(
    ink: Float[Tensor, "n pixels"],
    *,
    colours: tuple[tuple[float, float, float], ...] = COLOURS,
) -> Float[Tensor, "n 3 28 28"]:
    r"""Red strokes with a dark outline on a warm ground.

    .. math:: y = c_g(1-g) + c_o(g-i) + c_s\,i,\qquad g = \max_{3\times3} i

    Parameters
    ----------
    ink
        Amount of ink i in [0, 1], rows of 784 pixels.
    colours
        Red, green and blue, from −1 to 1, of the ground, of the outline and of the strokes.

    Returns
    -------
    The pictures. The outline is what the largest of the 3×3 pixels around has more of ink.

    Raises
    ------
    ValueError
        If the rows have not 784 pixels, or a pixel lies outside [0, 1].

    Notes
    -----
    Equation ``def-cyc-img-outlined``.
    Oracle: ``scipy.ndimage.maximum_filter``.
    """
    i = _squares(ink)
    g = max_pool2d(i, 3, stride=1, padding=1)
    ground, outline, stroke = (i.new_tensor(c).view(1, 3, 1, 1) for c in colours)
    return ground * (1 - g) + outline * (g - i) + stroke * i


def typeset_digits(
    fonts: tuple[str, ...] = FONTS,
) -> tuple[Float[Tensor, "n 784"], Int64[Tensor, " n"]]:
    r"""The ten digits in fonts that come with Matplotlib, 20 pixels high, in the middle.

    Parameters
    ----------
    fonts
        Names of the font files, without ``.ttf``.

    Returns
    -------
    Amount of ink in [0, 1], one row of 784 pixels a digit, ten rows a font; and the digits.

    Raises
    ------
    ValueError
        If Matplotlib has no such font.
    """
    folder = Path(get_data_path()) / "fonts" / "ttf"
    for font in fonts:
        if not (folder / f"{font}.ttf").exists():
            raise ValueError(f"fonts must be files in Matplotlib's fonts/ttf, got {font!r}")
    pictures = [_draw(folder / f"{font}.ttf", str(d)) for font in fonts for d in range(10)]
    ink = torch.from_numpy(np.stack(pictures)).float().flatten(1) / 255
    return ink, torch.arange(10).repeat(len(fonts))


def _draw(font: Path, text: str) -> np.ndarray:
    """One character as grey levels, 255 for ink."""
    path = TextPath((0, 0), text, size=20, prop=FontProperties(fname=str(font)))
    box = path.get_extents()
    zoom = 20 / max(box.height, box.width)
    move = Affine2D().translate(-(box.x0 + box.x1) / 2, -(box.y0 + box.y1) / 2)
    move = move.scale(zoom).translate(SIDE / 2, SIDE / 2)
    fig = Figure(figsize=(1, 1), dpi=SIDE, facecolor="white")
    canvas = FigureCanvasAgg(fig)
    fig.add_artist(PathPatch(move.transform_path(path), color="black", linewidth=0, transform=None))
    canvas.draw()
    return 255 - np.asarray(canvas.buffer_rgba())[..., 0]


def _squares(ink: Tensor) -> Tensor:
    """Rows as pictures of one channel, after checking them."""
    if ink.shape[1:] != (SIDE * SIDE,):
        raise ValueError(f"ink must have shape [n, {SIDE * SIDE}], got {list(ink.shape)}")
    if not torch.all((ink >= 0) & (ink <= 1)):
        raise ValueError(f"ink must be in [0, 1], got {ink.min():.3g} to {ink.max():.3g}")
    return ink.view(-1, 1, SIDE, SIDE)
