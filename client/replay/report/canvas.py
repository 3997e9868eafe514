"""Where pictures are drawn: one style, colours that most can tell apart, and the same bytes again.

Colours are those of Okabe and Ito ("Color Universal Design", 2008), which people with any usual
colour vision can tell apart; shapes or labels say the same as colours do. A picture has no date and
no random ids in it, and depends on no settings of whoever draws it. Texts in an SVG are texts.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

BLUE: Final = "#0072b2"
ORANGE: Final = "#e69f00"
GREEN: Final = "#009e73"
RED: Final = "#d55e00"
SKY: Final = "#56b4e9"
PURPLE: Final = "#cc79a7"
BLACK: Final = "#1a1a1a"
GREY: Final = "#767676"
FAINT: Final = "#e4e4e4"
DOTS_PER_INCH: Final = 144

_STYLE: Final[dict[RcKeyType, Any]] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": BLACK,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "figure.titlesize": 13,
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "text.color": BLACK,
    "xtick.color": BLACK,
    "xtick.labelsize": 9,
    "ytick.color": BLACK,
    "ytick.labelsize": 9,
}
_HEAD: Final = re.compile(rb".*?(?=<svg)", re.DOTALL)
_FONT: Final = re.compile(rb"(?:'DejaVu Sans'|DejaVu Sans)")


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn picture: its file name without ending, what it shows in words, and its bytes."""

    name: str
    title: str
    caption: str
    svg: bytes
    png: bytes


@contextmanager
def style(name: str) -> Iterator[None]:
    """Draw in our style; ids in an SVG are made from the picture's name."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**_STYLE, "svg.hashsalt": name})
        yield


def new_figure(width_in: float, height_in: float, title: str) -> Figure:
    """Return an empty figure with its title at the left."""
    figure = Figure(figsize=(width_in, height_in))
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def finish(figure: Figure, name: str, title: str, caption: str) -> Picture:
    """Return the picture in both forms."""
    png, svg = BytesIO(), BytesIO()
    # Both forms share one layout, which takes longer than drawing.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    figure.savefig(png, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(svg, format="svg", metadata=nothing)
    # Another reader's sans-serif is narrower than this one, so that no text outgrows its place.
    drawn = _FONT.sub(b"'DejaVu Sans', Verdana, sans-serif", svg.getvalue())
    return Picture(name, title, caption, drawn, png.getvalue())


def inline(picture: Picture) -> str:
    """Return the SVG for use inside a page: no prologue, and ids that are this picture's alone."""
    text = _HEAD.sub(b"", picture.svg, count=1).decode()
    prefix = f"{picture.name}-"
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = re.sub(r'href="#', f'href="#{prefix}', text)
    return re.sub(r"url\(#", f"url(#{prefix}", text)


def from_zero(axes: Axes, top: float) -> None:
    """Let the upright axis begin at zero, with room above the highest value."""
    axes.set_ylim(0, top * 1.08 if top > 0 else 1)
