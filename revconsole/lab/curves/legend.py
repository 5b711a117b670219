"""Legend: the words above a plot: what it shows, in which unit, and for each curve its name, its last and its best value."""

import math
import time
from collections.abc import Sequence

from revconsole.lab import format as shown
from revconsole.lab.curves import axes, heat, parts
from revconsole.lab.curves.canvas import Mark
from revconsole.lab.curves.figures import Curve, Figure
from revconsole.lab.curves.units import RELATIVE, sized, worded
from revconsole.records.printable import one_line

SHORT = {"validation": "val", "reconstruction": "rebuilt", "kept for backward": "kept"}
"""Words that a narrow plot shortens."""
LONGEST_NAME = 30


def title(figure: Figure, *, brief: bool = False) -> str:
    """What the plot shows, its unit, and what its axes leave out or its values lack. brief: without unit and what is left out."""
    unit = f" ({figure.y_label})" if figure.y_label and not brief else ""
    said = [figure.title + unit]
    if figure.gaps:
        gaps = sorted(x for curve in figure.curves for x in curve.gaps)
        at = f" from {figure.x_label} {placed(gaps[0])}" if gaps else ""
        said.append(f"{figure.gaps:,} not finite{at}")
    if figure.dropped and not brief:
        exact = figure.y_label == RELATIVE
        said.append(f"{figure.dropped:,} {'exact' if exact else 'not above 0 left out'}")
    if figure.shortages:
        said.append(f"! memory ran out at {figure.x_label} {placed(figure.shortages[-1], figure)}")
    return " · ".join(said)


def headings(
    figure: Figure, marks: Sequence[Mark], *, baseline: str = ""
) -> list[tuple[str, list[str]]]:
    """Titles with their legend, from long to short; see `forms`. Of bars and heat maps an entry in place of a legend."""
    full, brief = title(figure), title(figure, brief=True)
    if figure.bars:
        totals = _totals(figure)
        return [*((full, [each]) for each in totals), (brief, totals[-1:]), (brief, [])]
    if figure.by_block:
        ranges = _range(figure)
        return [*((full, [each]) for each in ranges), (brief, ranges[-1:]), (brief, [])]
    *longer, compact, words, letters = forms(figure, marks, baseline=baseline)
    wide = [(full, form) for form in (*longer, compact)]
    return [*wide, (brief, compact), (full, words), (brief, words), (brief, letters)]


def forms(figure: Figure, marks: Sequence[Mark], *, baseline: str = "") -> list[list[str]]:
    """The legend, from long to short: an entry for each curve, and perhaps one more. Each says what its curve is.

    A form says by how much its values are smoothed, or gives them as recorded.
    baseline: the run to which differences are given.
    """
    pairs = list(zip(marks, figure.curves, strict=True))
    deltas = [_delta(figure, curve, baseline) for curve in figure.curves]
    smoothed = sorted({curve.weight for curve in figure.curves if curve.weight})
    more = [f"  · smoothed {smoothed[-1]:g}"] if smoothed else []
    names = [one_line(_named(mark, c), LONGEST_NAME + 2) for mark, c in pairs]
    words = [_worded(mark, c) for mark, c in pairs]
    lasts = [_last(c, figure.y_label) for c in figure.curves]
    recorded = [_last(c, figure.y_label, recorded=True) for c in figure.curves]
    bests = [_best(c, figure) for c in figure.curves]
    signs = [mark.letter for mark in marks]
    worded_curves = all(curve.word for curve in figure.curves)
    if len(pairs) == 1 and not figure.curves[0].label:
        names = words = [""]
    with_bests = [_entry(*each) for each in zip(words, lasts, bests, strict=True)] + more
    brief = [_entry(*each) for each in zip(words, lasts, strict=True)]
    return [
        [_entry(*each) for each in zip(names, lasts, bests, deltas, strict=True)] + more,
        [_entry(*each) for each in zip(names, lasts, bests, strict=True)] + more,
        *([with_bests] if worded_curves else []),
        [_entry(*each) for each in zip(names, lasts, strict=True)] + more,
        *([brief + more] if worded_curves else []),
        [_entry(*each) for each in zip(names, recorded, strict=True)],
        with_bests,
        [_entry(*each) for each in zip(words, lasts, strict=True)] + more,
        [_entry(*each) for each in zip(words, recorded, strict=True)],
        [_entry(*each)[1:] for each in zip(words, recorded, strict=True)],
        [_entry(*each) for each in zip(words, strict=True)],
        [f" {sign}" for sign in signs],
    ]


def _totals(figure: Figure) -> list[str]:
    """What was measured and how far the foreseen is from it, from long to short."""
    known = {bar.name: bar.total for bar in figure.bars}
    measured, foreseen = known.get(parts.MEASURED), known.get(parts.FORESEEN)
    if measured is None:
        return ["  by part"]
    unit, each = sized(max(known.values()))
    last = worded(measured / each, unit)
    if foreseen is None:
        return [f"  by part · measured {last}", f"  measured {last}"]
    off = f"foreseen {100 * (foreseen / measured - 1):+.1f} %" if measured else ""
    return [f"  by part · measured {last}, {off}", f"  measured {last}, {off}", f"  {off}"]


def _range(figure: Figure) -> list[str]:
    """What the shades of a heat map mean, from long to short."""
    extremes = heat.extremes(figure)
    if extremes is None:
        return [""]
    if extremes == (0.0, 0.0):
        exact = ", exact" if figure.y_label == RELATIVE else ""
        return [f"  0 in every block{exact}", f"  0{exact}"]
    low, high = (shown.small(value) for value in extremes)
    last = [(c.last.y, n) for n, c in enumerate(figure.curves) if c.last is not None]
    highest = max(last, default=(0.0, 0))[1]
    weight = max((curve.weight for curve in figure.curves), default=0.0)
    smoothed = f" · smoothed {weight:g}" if weight else ""
    short = f"  {low} dark, {high} bright"
    return [
        f"{short}; now highest in block {highest}{smoothed}",
        f"{short}{smoothed}",
        f"  {low} to {high}{smoothed}",
    ]


def _entry(*parts: str) -> str:
    return "  " + " ".join(part for part in parts if part)


def _named(mark: Mark, curve: Curve) -> str:
    """Letter and name of a curve; a metric's own word needs no letter if it begins with it."""
    own = bool(curve.word) and curve.label.startswith(curve.word)
    plain = own and curve.label[:1].upper() == mark.letter
    return curve.label if plain else f"{mark.letter} {curve.label}"


def _worded(mark: Mark, curve: Curve) -> str:
    """The shortest words for a curve: that of its metric within a family; its letter where runs are compared."""
    if not curve.word:
        return mark.letter
    word = SHORT.get(curve.word, curve.word)
    return word if word[:1].upper() == mark.letter else f"{mark.letter} {word}"


def _last(curve: Curve, unit: str, *, recorded: bool = False) -> str:
    if curve.last is None:
        return shown.UNKNOWN
    return worded(curve.last.raw if recorded and curve.weight else curve.last.y, unit)


def _best(curve: Curve, figure: Figure) -> str:
    if curve.best is None or curve.last is None or curve.best.step == curve.last.step:
        return ""
    return f"(best {worded(curve.best.y, figure.y_label)} at {placed(curve.best.x, figure)})"


def _delta(figure: Figure, curve: Curve, baseline: str) -> str:
    """The difference of a curve's last value to that of the baseline's curve of the same metric."""
    of = next((c for c in figure.curves if c.of(baseline) and c.member == curve.member), None)
    if of is None or of is curve or of.last is None or curve.last is None:
        return ""
    return f"Δ {worded(curve.last.y - of.last.y, figure.y_label, signed=True)}"


def placed(x: float, figure: Figure | None = None) -> str:
    """A place on the horizontal axis as text; a dash for a point that has none."""
    if not math.isfinite(x):
        return shown.UNKNOWN
    if figure is not None and figure.horizontal == axes.ELAPSED:
        return shown.clock(x)
    if figure is not None and figure.horizontal == axes.WALL:
        return time.strftime("%H:%M:%S", time.localtime(x))
    return f"{x:,.0f}" if x == int(x) else f"{x:.4g}"
