"""Drawing: how every figure looks, and the only door to matplotlib.

An arm keeps its colour, line and marker in all figures; colours are those of Okabe and Ito 2008, which colour-blind
readers tell apart, and are never the only sign.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from revconsole.errors import RevconsoleError, StoreError
from revconsole.records.printable import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Locator

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":")
MARKERS = "osD^vPX*"
WIDTH, HEIGHT = 7.0, 3.2
"""Inches of a figure; a text column is 6 to 7 wide."""
DOTS_PER_INCH = 200
HATCHES = ("", "//", "..", "xx", "\\\\", "++", "--", "oo")
LOOK: dict[Any, Any] = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.alpha": 0.25, "legend.frameon": False, "svg.hashsalt": "revconsole", "text.usetex": False,
    "text.parse_math": False, "figure.constrained_layout.use": True,
}  # fmt: skip
"""Names of arms are data: no formula is looked for in them."""
UNDATED: dict[str, dict[str, Any]] = {
    "svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {},
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How one arm is drawn everywhere."""

    colour: str
    line: str
    marker: str
    hatch: str


def style(index: int) -> Style:
    """The style of the arm at a place in its study."""
    return Style(
        colour=COLOURS[index % len(COLOURS)],
        line=LINES[index % len(LINES)],
        marker=MARKERS[index % len(MARKERS)],
        hatch=HATCHES[index % len(HATCHES)],
    )


@contextmanager
def drawn() -> Iterator[None]:
    """Around everything that draws or writes. Raises RevconsoleError without matplotlib."""
    try:
        import matplotlib as mpl  # a second of import, and an extra that not everybody has
    except ImportError:
        raise RevconsoleError(
            "figures need matplotlib; `pip install 'revconsole[report]'`, or ask for --figures none"
        ) from None
    with mpl.rc_context(LOOK):
        yield


def canvas(panels: int = 1) -> "tuple[Figure, Sequence[Axes]]":
    """A figure of some panels side by side, of one vertical scale."""
    from matplotlib.figure import Figure  # as above; without pyplot there is no global state

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DOTS_PER_INCH)
    axes = figure.subplots(1, panels, squeeze=False, sharey=True)
    return figure, list(axes[0])


def panels(count: int, across: int) -> "tuple[Figure, Sequence[Axes]]":
    """A figure of square panels, at most so many side by side, of the same axes."""
    from matplotlib.figure import Figure  # as above

    wide = min(count, across)
    lines = -(-count // wide)
    side = WIDTH / max(wide, 2)
    figure = Figure(figsize=(side * wide, (side + 0.3) * lines + 0.4), dpi=DOTS_PER_INCH)
    axes = figure.subplots(lines, wide, squeeze=False, sharex=True, sharey=True).flatten()
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, list(axes[:count])


def label(name: str) -> str:
    """A name as text of a legend: a leading underscore would hide it."""
    shown = one_line(name, 40)
    return f"\u200b{shown}" if shown.startswith("_") else shown


def logarithmic(axes: "Axes") -> None:
    """Make the horizontal axis logarithmic, with plain numbers: powers of ten would be formulas."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # as above

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def whole_numbers() -> "Locator":
    """Ticks at whole numbers alone, for epochs."""
    from matplotlib.ticker import MaxNLocator  # as above

    return MaxNLocator(integer=True)


def legend(figure: "Figure", axes: "Axes") -> None:
    """One legend above all panels."""
    handles, labels = axes.get_legend_handles_labels()
    columns = min(4, max(1, len(labels)))
    figure.legend(handles, labels, loc="outside upper center", ncols=columns)


def save(figure: "Figure", path: Path) -> None:
    """Write a figure in the format of its suffix, the same bytes every time. Raises StoreError."""
    try:
        figure.savefig(path, metadata=UNDATED[path.suffix[1:]])
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from None
