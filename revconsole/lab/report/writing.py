"""Writing: a report with its figures into a folder."""

from collections.abc import Sequence
from pathlib import Path

from revconsole.errors import StoreError, UnknownName
from revconsole.lab.report import drawing
from revconsole.lab.report.document import Drawn, document
from revconsole.lab.report.figures import (
    accuracy_curves,
    accuracy_memory,
    accuracy_swept,
    boundaries,
    loss_curves,
    memory_bars,
)
from revconsole.lab.report.formats import as_csv, as_html, as_latex, as_markdown
from revconsole.lab.report.results import Results

FORMATS = {module.SUFFIX: module.render for module in (as_markdown, as_latex, as_csv, as_html)}
FIGURES = tuple(drawing.UNDATED)
FIGURE_FOLDER = Path("figures")


def write(
    results: Results, folder: Path, formats: Sequence[str], figures: Sequence[str]
) -> list[Path]:
    """Write `report.FORMAT` for each format, and every figure in each of its formats; returns the files.

    Raises UnknownName for a format, StoreError where the folder cannot be written, and RevconsoleError if there
    are figures to draw and no matplotlib.
    """
    _refuse_unknown(formats, figures)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made = draw(results, folder, figures) if figures else ()
        written = document(results, made, folder)
        files = [folder / path for figure in made for path in figure.files.values()]
        for word in formats:
            path = folder / f"report.{word}"
            path.write_text(FORMATS[word](written), encoding="utf-8", newline="")
            files.append(path)
    except OSError as error:
        raise StoreError(f"cannot write the report to {folder}: {error.strerror}") from None
    return files


def draw(results: Results, folder: Path, figures: Sequence[str]) -> tuple[Drawn, ...]:
    """Every kind of figure that applies, in each format; files are relative to the folder."""
    kinds = (loss_curves, accuracy_curves, memory_bars, accuracy_memory, accuracy_swept, boundaries)
    made = []
    with drawing.drawn():
        (folder / FIGURE_FOLDER).mkdir(exist_ok=True)
        for kind in kinds:
            figure = kind.draw(results)
            if figure is None:
                continue
            files = {word: FIGURE_FOLDER / f"{kind.NAME}.{word}" for word in figures}
            for path in files.values():
                drawing.save(figure, folder / path)
            made.append(Drawn(name=kind.NAME, caption=kind.caption(results), files=files))
    return tuple(made)


def _refuse_unknown(formats: Sequence[str], figures: Sequence[str]) -> None:
    for kind, given, known in (("format", formats, FORMATS), ("figure format", figures, FIGURES)):
        for word in given:
            if word not in known:
                raise UnknownName(kind, word, known)
