"""The look of a figure, and ``show``, which gives it its alternative text."""

import base64
import html
import io
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
from cycler import cycler
from IPython.display import display
from matplotlib.figure import Figure

# Okabe and Ito (2008): eight colours that colour-blind readers tell apart; the palest come last.
# fmt: off
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", "#F0E442",
)
# fmt: on
LINE_STYLES = ("-", "--", "-.", ":")


def set_style() -> None:
    r"""Give every later figure of this notebook the book's look.

    Colours for colour-blind readers, lines that differ in style too, and an opaque white ground,
    which keeps the text readable on a dark page.
    """
    mpl.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=COLOURS) + cycler(linestyle=LINE_STYLES * 2),
            "axes.grid": True,
            "grid.alpha": 0.3,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "figure.constrained_layout.use": True,
            "figure.dpi": 96,
            "figure.figsize": (6.4, 3.6),
            "font.size": 11,
        }
    )


def show(fig: Figure, alt: str) -> None:
    r"""Display a figure with alternative text, then close it.

    Parameters
    ----------
    fig
        The figure.
    alt
        What the picture shows, in words, for a reader who cannot see it.

    Raises
    ------
    ValueError
        If ``alt`` is empty.

    Notes
    -----
    The picture is left as HTML, because the book's builder keeps the alternative text of a cell's
    output only there, and as PNG for everything that shows no HTML.
    """
    if not alt.strip():
        raise ValueError(f"alt must say what the picture shows, got {alt!r}")
    file = io.BytesIO()
    fig.savefig(file, format="png", dpi=2 * fig.dpi)  # twice the pixels, for dense screens
    plt.close(fig)
    width = round(fig.get_figwidth() * fig.dpi)
    display(_Picture(base64.b64encode(file.getvalue()).decode(), alt, width))


class _Picture(NamedTuple):
    """A picture for ``display``; outside a notebook it prints its alternative text."""

    png: str
    alt: str
    width: int

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        # The class keeps the theme from darkening the picture.
        img = (
            f'<img class="dark-light" src="data:image/png;base64,{self.png}" '
            f'alt="{html.escape(self.alt)}" width="{self.width}" '
            'style="max-width: 100%; height: auto">'
        )
        return {"image/png": self.png, "text/html": img, "text/plain": self.alt}
