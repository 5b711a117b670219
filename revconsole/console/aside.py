"""Aside: the room beside the table of runs, and the curve of the run under the cursor that stands in it.

The console's first frame draws it too, so nothing here needs the lab.
"""

from collections.abc import Mapping, Sequence

from rich.text import Text

from revconsole.console.colours import themed
from revconsole.lab import format as shown
from revconsole.lab.curves.cells import usual_marker
from revconsole.lab.curves.units import NATS
from revconsole.lab.listing.sparks import small_curve

WIDE, WIDEST = 120, 160
"""Columns of the terminal from which there is an aside, and from which it is wider."""
NARROWER, WIDER, EDGES = 38, 48, 3
"""Cells of an aside, and how many of them its edges take."""
CURVE_LINES = 5


def width(columns: int) -> int:
    """The cells of the aside in a terminal of so many columns, its edges among them; 0 where there is no room for one."""
    return 0 if columns < WIDE else WIDER if columns >= WIDEST else NARROWER


def loss(values: Sequence[float], variables: Mapping[str, str], cells: int, *, given: bool) -> Text:
    """The training loss as a small curve of so many cells, below its first and last value. given: its unit is not known."""
    text = Text()
    if values:
        unit = "" if given else f" {NATS}"
        first, last = shown.value(values[0]), shown.value(values[-1])
        text.append(f"loss {first} → {last}{unit}\n", style="dim")
        for line in small_curve(values, cells, CURVE_LINES, usual_marker()):
            text.append(f"{line}\n", style=themed(variables, "text-primary"))
        text.append("\n")
    return text
