"""Writing: a report and its figures as files of a folder."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from revconsole.errors import StoreError, UnknownName
from revconsole.lab.report import drawing
from revconsole.lab.report.document import DrawnFigure, document
from revconsole.lab.report.figures import (
    accuracy_curves,
    accuracy_memory,
    accuracy_swept,
    accuracy_time,
    attention,
    boundaries,
    confusion,
    loss_curves,
    memory_bars,
    positions,
    rebuilt,
    search_trials,
)
from revconsole.lab.report.figures.inspected import Inspections, lost
from revconsole.lab.report.figures.sheet import Sheet
from revconsole.lab.report.formats import as_csv, as_html, as_latex, as_markdown
from revconsole.lab.report.results import Results
from revconsole.lab.report.shown_table import Table
from revconsole.lab.report.table import UNASKED, refuse_unknown_columns

FORMATS = {module.SUFFIX: module.render for module in (as_markdown, as_latex, as_csv, as_html)}
FIGURES = tuple(drawing.UNDATED)
FIGURE_FOLDER = Path("figures")
MOST_TOGETHER = 8
"""Arms of several groups that one figure draws; where there are more, each group has its own figures."""


NOT_SEEN: Inspections = MappingProxyType({})


def write(
    results: Results,
    folder: Path,
    formats: Sequence[str],
    figures: Sequence[str],
    inspections: Inspections = NOT_SEEN,
    *,
    undrawn: str = "",
    columns: Sequence[str] = UNASKED,
    two_columns: bool = False,
    layers: Sequence[Table] = (),
) -> list[Path]:
    """Write `report.FORMAT` for each format, and every figure in each of its formats; returns the files.

    inspections: inspected weights by run. undrawn: why there are no figures. columns: those of the table by name.
    two_columns: whether the page has two, so that figures are as wide as one. layers: tables for the appendix. Raises UnknownName for a format or column,
    StoreError if the folder cannot be written, and RevconsoleError for figures without matplotlib.
    """
    refuse_unknown(formats, figures)
    refuse_unknown_columns(columns)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drawn = draw(results, folder, figures, inspections, two_columns) if figures else ()
        lacking = (*([undrawn] if undrawn else []), *lost(results, inspections))
        written = replace(
            document(results, drawn, folder, lacking, columns),
            two_columns=two_columns,
            layers=tuple(layers),
        )
        files = [folder / path for figure in drawn for path in figure.files.values()]
        for word in formats:
            path = folder / f"report.{word}"
            path.write_text(FORMATS[word](written), encoding="utf-8", newline="")
            files.append(path)
    except OSError as error:
        raise StoreError(f"cannot write the report to {folder}: {error.strerror}") from None
    return files


def draw(
    results: Results,
    folder: Path,
    figures: Sequence[str],
    inspections: Inspections = NOT_SEEN,
    two_columns: bool = False,
) -> tuple[DrawnFigure, ...]:
    """Every figure that applies, in each format; files are relative to the folder."""
    drawn_figures = []
    with drawing.drawn(two_columns=two_columns):
        (folder / FIGURE_FOLDER).mkdir(exist_ok=True)
        for sheet in _sheets(results, inspections):
            files = {word: FIGURE_FOLDER / f"{sheet.name}.{word}" for word in figures}
            for path in files.values():
                drawing.save(sheet.figure, folder / path)
            width = float(sheet.figure.get_figwidth()) / drawing.room()
            drawn_figures.append(
                DrawnFigure(name=sheet.name, caption=sheet.caption, files=files, width=width)
            )
    return tuple(drawn_figures)


def _sheets(results: Results, inspections: Inspections) -> Iterator[Sheet]:
    """Figures of all arms together, then those of each arm."""
    kinds = (
        search_trials, loss_curves, accuracy_curves, accuracy_time, memory_bars, accuracy_memory, accuracy_swept, rebuilt,
        boundaries,
    )  # fmt: skip
    for kind in kinds:
        for place, (group, shown) in enumerate(_apart(results)):
            figure = kind.draw(shown)
            if figure is None:
                continue
            name, caption = kind.NAME, kind.caption(shown)
            if group:
                name, caption = f"{name}-{place + 1}", f"{caption} Of {group} alone."
            yield Sheet(name=name, caption=caption, figure=figure)
    yield from confusion.sheets(results)
    yield from positions.sheets(results, inspections)
    yield from attention.sheets(results, inspections)


def _apart(results: Results) -> list[tuple[str, Results]]:
    """The results, or where their arms are too many for one figure those of each group, with its name."""
    groups = list(dict.fromkeys(arm.group for arm in results.arms))
    if len(groups) == 1 or len(results.arms) <= MOST_TOGETHER:
        return [("", results)]
    named = {g: [a for a in results.arms if a.group == g] for g in groups}
    return [
        (group, replace(results, arms=tuple(replace(a, name=a.short or a.name) for a in arms)))
        for group, arms in named.items()
    ]


def refuse_unknown(formats: Sequence[str], figures: Sequence[str]) -> None:
    """Raise UnknownName for a format that does not exist."""
    for kind, names, known in (("format", formats, FORMATS), ("figure format", figures, FIGURES)):
        for word in names:
            if word not in known:
                raise UnknownName(kind, word, known)
