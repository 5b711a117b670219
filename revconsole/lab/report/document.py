"""Document: a report before it has a format: title, facts, table, methods and the figures that were drawn."""

from dataclasses import dataclass, field
from pathlib import Path

from revconsole.lab.report.alike import Alike
from revconsole.lab.report.methods import paragraph
from revconsole.lab.report.results import Results
from revconsole.lab.report.table import Table, settings_table, table


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFigure:
    """A figure with its files, relative to the report, in each format it was drawn in."""

    name: str
    caption: str
    files: dict[str, Path] = field(default_factory=dict)
    width: float = 1.0
    """As a share of a column of text."""

    def first(self, *formats: str) -> Path | None:
        """Its file in the first of some formats that it has."""
        return next((self.files[word] for word in formats if word in self.files), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What every format says, in its own way. All text is plain: each format escapes it."""

    results: Results
    table: Table
    methods: str
    settings: Table | None = None
    """What the arms differ in; None of a single arm."""
    read: str = ""
    """What was read, for the appendix; empty of runs from before it was recorded."""
    figures: tuple[DrawnFigure, ...] = ()
    folder: Path = field(default_factory=Path)
    """Where the files of figures are relative to."""
    left_out: tuple[str, ...] = ()
    """Which figures there are not, and why."""

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What the study says about itself."""
        pairs = (("Source", self.results.source), ("Expected", self.results.expected))
        return tuple((word, text) for word, text in pairs if text)


def document(
    results: Results,
    figures: tuple[DrawnFigure, ...] = (),
    folder: Path = Path(),
    left_out: tuple[str, ...] = (),
) -> Document:
    """Everything there is to say of some results."""
    return Document(
        results=results,
        table=table(results),
        settings=settings_table(results),
        methods=paragraph(results),
        read=_what_was_read(results),
        figures=figures,
        folder=folder,
        left_out=left_out,
    )


def _what_was_read(results: Results) -> str:
    """Which files became the images, once for all that have the same."""
    runs = Alike.of(results)
    recorded = any("what_was_read" in run.facts for run in runs.runs)
    return runs.told(lambda run: str(run.facts.get("what_was_read", ""))) if recorded else ""
