"""The verb `report`: table, figures and methods paragraph of a study or of some runs."""

from pathlib import Path
from typing import Annotated

import typer

from revconsole.cli import complete, output
from revconsole.cli.arguments import listed
from revconsole.cli.opening import opened
from revconsole.errors import ProfileError, RevconsoleError
from revconsole.lab.lab import Lab
from revconsole.lab.report.drawing import drawn
from revconsole.lab.report.figures.inspected import left_out
from revconsole.lab.report.grouping import together
from revconsole.lab.report.layers import layers as layers_of
from revconsole.lab.report.results import Results
from revconsole.lab.report.shown_table import Table
from revconsole.lab.report.table import ABOVE, COLUMNS, UNASKED, refuse_unknown_columns, table
from revconsole.lab.report.writing import refuse_unknown, write
from revconsole.lab.search.reporting import reported
from revconsole.records.search.planned_search import planned_search
from revconsole.records.settings import search_path
from revconsole.records.settings.profile import COMMAND_LINE, parse_assignments

YIELDS = (
    "multiply-adds (FLOPs) per image", "peak memory", "training accuracy", "best epoch",
    "parameters", "s per epoch",
)  # fmt: skip
"""Columns that a narrow terminal leaves out; the files have them."""
TOLD = {"p", f"p, to {ABOVE}"}
"""Columns of words, which wrap."""
NO_FIGURES = "No figures were drawn: matplotlib is not installed; `pip install 'revconsole[report]'`, then report again."
EVERY_FORMAT, EVERY_FIGURE = "md,tex,csv,html", "svg,png,pdf"

Columns = Annotated[
    str,
    typer.Option(
        help=f"Columns of the table, comma-separated: {', '.join(COLUMNS)}. [default: those that have a value, but for hours, interval and effect]",
        show_default=False,
    ),
]
Weights = Annotated[
    bool,
    typer.Option(
        "--weights/--no-weights",
        help="Draw attention and position encodings of one run of each arm, from its checkpoint and data.",
    ),
]
Layers = Annotated[
    bool, typer.Option("--layers", help="Add the layers of each model to the appendix.")
]
TwoColumns = Annotated[
    bool,
    typer.Option(
        "--two-columns",
        help="For a page of two columns: figures are 3.3 inches wide; tables and what needs more room span both in LaTeX.",
    ),
]


def report(
    context: typer.Context,
    subjects: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY...|RUN...",
            help="Studies or profiles with the KEY=VALUE settings they were run with; or runs by id, name or pattern: the first "
            "is the baseline, and runs that differ only in their seed are one arm.",
            autocompletion=complete.subjects,
        ),
    ],
    quick: Annotated[bool, typer.Option("--quick", help="Report the study's quick form.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the files.", show_default="report-NAME")
    ] = None,
    formats: Annotated[str, typer.Option("--format", help="Documents to write.")] = EVERY_FORMAT,
    figures: Annotated[
        str,
        typer.Option(
            help="Formats of the figures, or none.", show_default=f"{EVERY_FIGURE}, with matplotlib"
        ),
    ] = "",
    columns: Columns = "",
    weights: Weights = True,
    layers: Layers = False,
    two_columns: TwoColumns = False,
) -> None:
    """Print the results of a study or of some runs, and write them as documents with figures.

    Accuracy is mean ± sample deviation over seeds, differences are tested in pairs of one seed, and the methods
    paragraph is written from what the runs recorded.
    """
    lab = opened(context)
    results = _results(lab, subjects, quick=quick)
    asked = listed(columns) or UNASKED
    refuse_unknown_columns(asked)
    _print(table(results, asked))
    folder = out or Path(f"report-{results.name}{'-quick' if results.quick else ''}")
    wanted = _formats(formats)
    drawn, undrawn = _figures(figures)
    refuse_unknown(wanted, drawn)
    inspections = lab.inspections(results) if weights and drawn else {}
    files = write(
        results,
        folder,
        wanted,
        drawn,
        inspections,
        undrawn=undrawn,
        columns=asked,
        two_columns=two_columns,
        layers=layers_of(results) if layers else (),
    )
    for sentence in left_out(results, inspections):
        output.say(sentence)
    output.say(f"{len(files)} files in {folder}")
    if undrawn:
        output.say(undrawn)


def _print(shown: Table) -> None:
    prose = [shown.headings[0], *(heading for heading in shown.headings if heading in TOLD)]
    headings = ("group", *shown.headings) if shown.groups else shown.headings
    rows = [(group, *row) for group, row in shown.grouped] if shown.groups else shown.rows
    output.print_table(headings, rows, plain=True, prose=prose, yields=YIELDS)
    for note in (shown.caption, *shown.notes):
        output.say(note)


def _results(lab: Lab, subjects: list[str], *, quick: bool) -> Results:
    names = [word for word in subjects if "=" not in word]
    settings = parse_assignments([word for word in subjects if "=" in word])
    of_studies = quick or bool(settings) or not _all_runs(lab, names)
    if len(names) > 1 and all(map(search_path.known, names)) and of_studies:
        studies = [lab.report_study(lab.study(name, settings, quick=quick)) for name in names]
        return together(studies)
    if len(names) == 1 and (quick or search_path.known(names[0])):
        if search_path.find(names[0], "study").search is not None:
            return reported(lab, planned_search(names[0], settings, lab.store, quick=quick))
        return lab.report_study(lab.study(names[0], settings, quick=quick))
    if settings or quick or not names:
        wanted = next(iter(settings), "--quick" if quick else "report")
        raise ProfileError(COMMAND_LINE, wanted, "belongs to studies; `study list` names them")
    return lab.report_runs(lab.store.find_all(names))


def _all_runs(lab: Lab, names: list[str]) -> bool:
    """Whether every name is one of a run too, and not of a study, whose runs' names begin with its own."""
    runs = lab.store.list()
    called = {run.name for run in runs} | {run.id for run in runs}
    return called.issuperset(names)


def _formats(text: str) -> list[str]:
    return [word for word in listed(text) if word != "none"]


def _figures(text: str) -> tuple[list[str], str]:
    """The figure formats asked for, by default all of them; and why figures cannot be drawn, empty if they can."""
    if text:
        return _formats(text), ""
    try:
        with drawn():
            return _formats(EVERY_FIGURE), ""
    except RevconsoleError:
        return [], NO_FIGURES
