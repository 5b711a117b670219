"""Verbs that look at runs: ls, show, compare, watch."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from revconsole.cli import complete, output, pictures
from revconsole.cli.arguments import Json
from revconsole.cli.launch import follow_to_end
from revconsole.errors import NoSuchRun, ProfileError, UnknownName
from revconsole.lab import rows
from revconsole.lab.lab import Lab
from revconsole.records.runs.strays import described

Address = Annotated[
    str, typer.Argument(help="Run: id or its beginning, name, or @1.", autocompletion=complete.runs)
]


def list_runs(
    context: typer.Context,
    json: Json = False,
    limit: Annotated[int, typer.Option(help="Newest runs only; 0 lists all.", min=0)] = 0,
) -> None:
    """List the runs of the store, newest first. Piped, the table is tab-separated."""
    lab = Lab(context.obj)
    runs = lab.store.list()
    shown = runs[:limit] if limit else runs
    if json:
        output.print_json([rows.row(summary) for summary in shown])
    else:
        output.print_runs(shown)
    if strays := described(lab.store.strays()):
        output.say(strays)


def show(
    context: typer.Context,
    run: Address = "@1",
    json: Json = False,
    metric: Annotated[
        str, typer.Option(help="Print one metric, step and value separated by a tab.")
    ] = "",
    confusion: Annotated[
        bool, typer.Option("--confusion", help="Print which class the test took for which.")
    ] = False,
    boundary: Annotated[
        bool, typer.Option("--boundary", help="Draw what the model calls each place of the plane.")
    ] = False,
) -> None:
    """Show one run: settings, facts, measurements, log."""
    lab = Lab(context.obj)
    found = lab.store.read(lab.store.find(run))
    if boundary:
        if found.boundary is None:
            raise ProfileError(
                found.summary.name,
                "",
                "has no decision boundary; only runs on points of the plane have one (circles, moons, spirals)",
            )
        if json:
            output.print_json(asdict(found.boundary))
        else:
            output.print_lines(pictures.of_boundary(found.boundary))
    elif confusion:
        if found.confusion is None:
            raise UnknownName("confusion matrix of", found.summary.name, [])
        output.print_confusion(found.confusion)
    elif metric:
        series = found.series.get(metric)
        if series is None:
            raise UnknownName("metric", metric, found.series)
        output.print_series(series)
    elif json:
        output.print_json(rows.details(found))
    else:
        output.print_run(found)


def compare(
    context: typer.Context,
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Runs to compare: ids, names, patterns, or a profile for all its runs; the first is the baseline.",
            autocompletion=complete.runs,
        ),
    ],
    json: Json = False,
) -> None:
    """Put runs beside each other: what differs in their settings, and what came of it."""
    lab = Lab(context.obj)
    compared = lab.compare(lab.store.find_all(runs))
    if json:
        output.print_json(rows.comparison(compared))
    else:
        output.print_comparison(compared)


def watch(
    context: typer.Context,
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Runs: ids, names, patterns, or a profile; without one, those that train now and then those that wait.",
            autocompletion=complete.runs,
        ),
    ] = None,
) -> None:
    """Follow runs to their ends, wherever they train; the exit code is 0 if all finished, none with an alarm."""
    lab = Lab(context.obj)
    ids = lab.store.find_all(runs) if runs else lab.batch() or (lab.store.find("@1"),)
    states: list[str] = []
    for number, run_id in enumerate(ids):
        if len(ids) > 1:
            output.say(_place(lab, ids[number:]))
        try:
            states.append(follow_to_end(lab.store.follow(run_id)).standing)
        except NoSuchRun as error:
            output.say(str(error))
            states.append("deleted")
    if set(states) - {"finished"}:
        raise typer.Exit(1)


def _place(lab: Lab, ids: Sequence[str]) -> str:
    """Which run is followed now, and how many come after it."""
    run = lab.summary(ids[0])
    after = f", {len(ids) - 1} after it" if ids[1:] else ", the last"
    return f"-- {run.name} is {run.state}{after}"
