"""Bars: where the memory of a step goes, a bar for each way to run it, all to one scale.

Each part has a colour and begins with its letter, which tells the parts apart where there is no colour. Below the bars
the letters are explained, with the bytes of the first bar.
"""

from collections.abc import Sequence

from revconsole.lab import format as shown
from revconsole.lab.curves.canvas import PlottedFigure
from revconsole.lab.curves.cells import Ink, Line, Marker
from revconsole.lab.curves.colours import ON_DARK, Palette, of_curve
from revconsole.lab.curves.figures import Figure
from revconsole.lab.curves.parts import MEASURED, SHORT, WORDS, MemoryBar
from revconsole.lab.curves.scales import Scale
from revconsole.lab.curves.units import sized, worded

FILLED = {"braille": "█", "block": "█", "ascii": "#"}
MOST_NAME, TOTAL, LEGEND = 14, 9, 3
"""Columns of a name at most, and of a total; rows that the letters below the bars may take."""
UNFORESEEN = "`revconsole plan` adds the other backwards"
"""Said where nothing was foreseen of a run; what is foreseen later is drawn from then on."""
LETTERS = {part: word[0].upper() for part, word in WORDS.items()}


def drawn(
    figure: Figure,
    width: int,
    height: int,
    *,
    marker: Marker = "braille",
    colours: Palette = ON_DARK,
) -> PlottedFigure:
    """The figure as `height` lines of `width` columns, its bars from the top, then what the letters mean."""
    names = max((len(bar.name) for bar in figure.bars), default=0)
    gutter = min(max(names, 1), MOST_NAME, width // 3) + 2
    columns = max(1, width - gutter - TOTAL)
    most = max((bar.total for bar in figure.bars), default=0.0) or 1.0
    unit, each = sized(most)
    blank: Line = [(" " * width, Ink())]
    apart = [blank] if height >= 2 * len(figure.bars) - 1 + LEGEND else []
    lines: list[Line] = []
    for bar in figure.bars[:height]:
        name = shown.shortened(bar.name, gutter - 2).ljust(gutter - 1)
        total = worded(bar.total / each, unit).rjust(TOTAL)
        cells = _cells(bar, columns, most, marker, colours)
        lines += [*(apart if lines else []), [(f" {name}", Ink()), *cells, (total, Ink())]]
    room = height - len(lines)
    if figure.bars and room > 0:
        spaced = [blank] if room > LEGEND else []
        lines += [*spaced, *_legend(figure, width, room - len(spaced), colours)]
    if len(figure.bars) == 1 and figure.bars[0].name == MEASURED and len(lines) + 2 <= height:
        lines += [blank, [(f" {UNFORESEEN}"[:width].ljust(width), Ink())]]
    lines += [blank] * (height - len(lines))
    scale = Scale(0.0, most / each)
    return PlottedFigure(
        lines=lines, vertical=scale, horizontal=scale, first=gutter, columns=columns
    )


def _cells(bar: MemoryBar, columns: int, most: float, marker: Marker, colours: Palette) -> Line:
    """The parts one after the other; a part that is too small for a column leaves its place to the next."""
    line: Line = []
    filled, so_far = 0, 0.0
    for part, size in bar.parts:
        so_far += size
        width = round(so_far / most * columns) - filled
        if width > 0:
            colour, faint = _colour(part, colours), not bar.own
            line.append((LETTERS[part], Ink(colour, faint=faint, filled=marker != "ascii")))
            line.append((FILLED[marker] * (width - 1), Ink(colour, faint=faint)))
            filled += width
    return [*line, (" " * (columns - filled), Ink())]


def _legend(figure: Figure, width: int, rows: int, colours: Palette) -> list[Line]:
    """What the letters mean, with the bytes of the first bar, in the longest form that fits into so many rows."""
    unit, each = sized(max(bar.total for bar in figure.bars))
    sizes = {part: worded(size / each, unit) for part, size in figure.bars[0].parts}
    forms = [
        [(part, f"{LETTERS[part]} {WORDS[part]} {size}") for part, size in sizes.items()],
        [(part, f"{LETTERS[part]} {_short(part)} {size}") for part, size in sizes.items()],
        [(part, f"{LETTERS[part]} {_short(part)}") for part in sizes],
    ]
    laid = [_wrapped(form, width, colours) for form in forms]
    return next((lines for lines in laid if len(lines) <= rows), laid[-1][: max(rows, 0)])


def _short(part: str) -> str:
    return SHORT.get(WORDS[part], WORDS[part])


def _wrapped(entries: Sequence[tuple[str, str]], width: int, colours: Palette) -> list[Line]:
    """Entries in lines, two blanks between them; none is broken."""
    lines: list[Line] = []
    left = 0
    for part, text in entries:
        if len(text) + 2 > left or not lines:
            lines.append([(" ", Ink())])
            left = width - 1
        ink = Ink(_colour(part, colours))
        lines[-1] += [(text[:1], ink), (f"{text[1:]}  "[: left - 1], Ink())]
        left -= len(text) + 2
    return lines


def _colour(part: str, colours: Palette) -> tuple[int, int, int]:
    return of_curve(list(WORDS).index(part), colours)
