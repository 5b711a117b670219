"""Document: a report before it has a format: title, facts, table, methods and the drawn figures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from revconsole.lab.report.alike import Alike
from revconsole.lab.report.methods import paragraph
from revconsole.lab.report.results import Results
from revconsole.lab.report.shown_table import Table
from revconsole.lab.report.table import UNASKED, settings_table, table


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFigure:
    """A figure with its file in each format, relative to the report."""

    name: str
    caption: str
    files: dict[str, Path] = field(default_factory=dict)
    width: float = 1.0
    """Width as a fraction of a text column."""

    def first(self, *formats: str) -> Path | None:
        """The file in the first of these formats that the figure has."""
        return next((self.files[word] for word in formats if word in self.files), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The content that every format writes. All text is plain; each format escapes it."""

    results: Results
    table: Table
    methods: str
    columns: tuple[str, ...] = UNASKED
    """The columns of the table by name, for a format that makes its own of them."""
    settings: Table | None = None
    """A table of the settings in which the arms differ; None for a single arm."""
    trials: Table | None = None
    """The trials of a search; None for any other report."""
    read: str = ""
    """Which files the images were read from, for the appendix; empty for runs older than this fact."""
    figures: tuple[DrawnFigure, ...] = ()
    folder: Path = field(default_factory=Path)
    """The folder to which the files of figures are relative."""
    left_out: tuple[str, ...] = ()
    """Sentences on the figures that could not be made."""
    layers: tuple[Table, ...] = ()
    """The layers of each model, for the appendix; empty if they were not asked for."""
    two_columns: bool = False
    """Whether the page has two columns, which tables and wide figures span."""

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What the study's file says about itself: source, expected result, time, hardware."""
        pairs = (("Source", self.results.source), ("Expected", self.results.expected))
        return tuple((word, text) for word, text in pairs if text)


def document(
    results: Results,
    figures: tuple[DrawnFigure, ...] = (),
    folder: Path = Path(),
    left_out: tuple[str, ...] = (),
    columns: Sequence[str] = UNASKED,
) -> Document:
    """The content of a report on some results."""
    return Document(
        results=results,
        table=table(results, columns),
        columns=tuple(columns),
        settings=settings_table(results),
        trials=results.search.table() if results.search else None,
        methods=paragraph(results),
        read=_what_was_read(results),
        figures=figures,
        folder=folder,
        left_out=left_out,
    )


def _what_was_read(results: Results) -> str:
    """A text on which files the images were read from, once for all runs with the same."""
    runs = Alike.of(results)
    recorded = any("what_was_read" in run.facts for run in runs.runs)
    return runs.told(lambda run: str(run.facts.get("what_was_read", ""))) if recorded else ""
