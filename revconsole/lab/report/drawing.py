"""Drawing: the style of every figure, and the only module that imports matplotlib.

An arm has the same colour, line and marker in all figures. The colours are those of Okabe and Ito 2008, which
colour-blind readers can tell apart, and are never the only distinction.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from revconsole.errors import NotLoaded, StoreError
from revconsole.records.printable import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.ticker import Locator

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":")
MARKERS = "osD^vPX*"
WIDTH, HEIGHT = 6.2, 3.0
"""Width and height of a figure in inches; a text column is 5 to 6.5 wide, so that letters are printed at 8 points or more."""
COLUMN, COLUMN_HEIGHT, COLUMN_LETTERS = 3.3, 2.3, 8.0
"""Width and height in inches, and points of a letter, of a figure for one of two columns of a page."""
SIGNS_OF_A_WIDTH, SIGNS_OF_A_LINE, LINE_HEIGHT = 84, 7, 0.18
"""Layout of a legend: characters per figure width, characters that a line sample takes, and height of a row in inches."""
MOST_BELOW, ELLIPSIS = 5, 3
"""Names of a legend that may stand below one another in full, and characters that end a shortened one."""
DOTS_PER_INCH = 200
HATCHES = ("", "//", "..", "xx", "\\\\", "++", "--", "oo")
SEQUENCE = "cividis"
"""Colour map of numbers: from dark to light in print and for colour-blind readers."""
LOOK: dict[Any, Any] = {
    "font.size": 9.5, "axes.titlesize": "medium", "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
    "grid.alpha": 0.25, "legend.frameon": False, "svg.hashsalt": "revconsole", "text.usetex": False,
    "text.parse_math": False, "figure.constrained_layout.use": True,
}  # fmt: skip
"""Settings of matplotlib. Names of arms come from outside, so no formula is parsed in them."""
_room: ContextVar[float] = ContextVar("room", default=WIDTH)
UNDATED: dict[str, dict[str, Any]] = {
    "svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {},
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How an arm is drawn in all figures."""

    colour: str
    line: str
    marker: str
    hatch: str


def style(index: int) -> Style:
    """The style of the arm at this position in its study."""
    return Style(
        colour=COLOURS[index % len(COLOURS)],
        line=LINES[index % len(LINES)],
        marker=MARKERS[index % len(MARKERS)],
        hatch=HATCHES[index % len(HATCHES)],
    )


def room() -> float:
    """Width in inches that figures are drawn for."""
    return _room.get()


@contextmanager
def drawn(*, two_columns: bool = False) -> Iterator[None]:
    """Context for code that draws or writes figures, as wide as the text or as one of two columns of it.

    Raises RevconsoleError if matplotlib is not installed.
    """
    try:
        import matplotlib as mpl  # a second of import, and an extra that not everybody has
    except ImportError:
        raise NotLoaded(
            "figures need matplotlib: `pip install 'revconsole[report]'`; tables do not (`report --figures none`, or a file "
            "that ends with .md, .tex, .csv or .json)"
        ) from None
    before = _room.set(COLUMN if two_columns else WIDTH)
    try:
        with mpl.rc_context(LOOK | ({"font.size": COLUMN_LETTERS} if two_columns else {})):
            yield
    finally:
        _room.reset(before)


def canvas(
    panels: int = 1, *, size: tuple[float, float] | None = None, shared: bool = True
) -> "tuple[Figure, Sequence[Axes]]":
    """A figure with panels side by side, in a column below each other. size: in inches. shared: whether they share the vertical axis."""
    if size is None and room() < WIDTH:
        figure, rows = grid(panels, 1, size=(room(), COLUMN_HEIGHT * panels), shared=shared)
        return figure, [row[0] for row in rows]
    figure, rows = grid(1, panels, size=size or (WIDTH, HEIGHT), shared=shared)
    return figure, rows[0]


def grid(
    rows: int, columns: int, *, size: tuple[float, float], shared: bool = False
) -> "tuple[Figure, Sequence[Sequence[Axes]]]":
    """A figure with panels in rows."""
    from matplotlib.figure import Figure  # as above; without pyplot there is no global state

    figure = Figure(figsize=size, dpi=DOTS_PER_INCH)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=shared)
    return figure, [list(row) for row in axes]


def picture(
    axes: "Axes", values: Sequence[Sequence[float]], *, low: float, high: float,
    colours: str = SEQUENCE, power: float = 1.0, square: bool = True,
) -> "AxesImage":  # fmt: skip
    """Draw numbers as coloured rectangles; NaN stays empty. power: of the colour scale; below 1 it separates small values."""
    from matplotlib.colors import PowerNorm  # as above

    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes.imshow(
        values, cmap=colours, norm=PowerNorm(power, vmin=low, vmax=high), interpolation="nearest",
        aspect="equal" if square else "auto",
    )  # fmt: skip


def panels(count: int, across: int) -> "tuple[Figure, Sequence[Axes]]":
    """A figure with square panels on the same axes, at most so many side by side."""
    from matplotlib.figure import Figure  # as above

    wide = min(count, across)
    lines = -(-count // wide)
    side = WIDTH / max(wide, 2)
    figure = Figure(figsize=(side * wide, (side + 0.3) * lines + 0.4), dpi=DOTS_PER_INCH)
    axes = figure.subplots(lines, wide, squeeze=False, sharex=True, sharey=True).flatten()
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, list(axes[:count])


def label(name: str, most: int = 40) -> str:
    """A name as text of a legend, at most so many characters. A leading underscore is masked, because matplotlib would hide it."""
    shown = one_line(name, most)
    return f"\u200b{shown}" if shown.startswith("_") else shown


def logarithmic(axes: "Axes") -> None:
    """Make the horizontal axis logarithmic, with plain numbers instead of powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # as above

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def magnitudes(axes: "Axes", least: int, most: int) -> None:
    """Make the vertical axis one of powers of ten from 10^least to 10^most, with 0 below them, every second one labelled."""
    axes.set_yscale("symlog", linthresh=10.0**least)
    shown = range(most, least - 1, -2)
    axes.set_yticks(
        [0.0, *(10.0**n for n in shown)], ["0", *(f"1e{n}" if n else "1" for n in shown)]
    )
    axes.minorticks_off()
    axes.set_ylim(-(10.0**least) / 5, 10.0**most)


def whole_numbers() -> "Locator":
    """Put ticks at whole numbers only, for epochs."""
    from matplotlib.ticker import MaxNLocator  # as above

    return MaxNLocator(integer=True)


def legend(figure: "Figure", *panels: "Axes") -> None:
    """Add one legend of what the panels name above all of them, with as many columns as its names allow; the figure grows by its rows.

    Where there are many, a few long names do not put all below one another: they are shortened to half of the width, unless
    that makes two alike.
    """
    named: dict[str, Any] = {}
    for axes in panels:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(name, handle)
    handles, labels = list(named.values()), list(named)
    signs = int(SIGNS_OF_A_WIDTH * float(figure.get_figwidth()) / WIDTH)
    if len(labels) > MOST_BELOW and room() == WIDTH:
        short = [label(each, signs // 2 - SIGNS_OF_A_LINE - ELLIPSIS) for each in labels]
        labels = short if len(set(short)) == len(set(labels)) else labels
    longest = max(map(len, labels), default=1) + SIGNS_OF_A_LINE
    most = max(1, min(4, len(labels), signs // longest))
    rows = max(1, -(-len(labels) // most))
    columns = max(1, -(-len(labels) // rows))
    figure.set_figheight(float(figure.get_figheight()) + LINE_HEIGHT * (rows - 1))
    along_rows = [k for column in range(columns) for k in range(column, len(labels), columns)]
    figure.legend(
        [handles[k] for k in along_rows],  # matplotlib fills a legend column by column
        [labels[k] for k in along_rows],
        loc="outside upper center",
        ncols=columns,
    )


def save(figure: "Figure", path: Path) -> None:
    """Write a figure in the format of its suffix, with the same bytes every time. Raises StoreError."""
    try:
        with warnings.catch_warnings():
            # A letter that the font lacks is drawn as a box; the text beside the figure has it.
            warnings.filterwarnings("ignore", message="Glyph")
            figure.savefig(path, metadata=UNDATED[path.suffix[1:]])
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from None
