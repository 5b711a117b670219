"""Verbs that keep a store in order: note, archive, rm."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from revconsole.cli import complete, output
from revconsole.cli.arguments import Json
from revconsole.cli.opening import opened
from revconsole.errors import NoSuchRun, RevconsoleError, WrongState
from revconsole.lab import keeping
from revconsole.records.printable import one_line, plural
from revconsole.records.runs import notebook, trash
from revconsole.records.runs.notebook import Edit
from revconsole.records.runs.run import Summary
from revconsole.records.runs.store import RunStore

MOST_NAMED = 5
RUNS_HELP = "Runs: ids, names, @1, patterns, or a profile for all its runs."
Addresses = Annotated[list[str], typer.Argument(help=RUNS_HELP, autocompletion=complete.runs)]
MaybeAddresses = Annotated[
    list[str] | None, typer.Argument(help=RUNS_HELP, autocompletion=complete.runs)
]


class NotDeleted(RevconsoleError):  # noqa: N818  the name says what happened
    """Nothing was deleted, because no run was named or nobody agreed."""

    exit_code = 2


def note(
    context: typer.Context,
    runs: Addresses,
    text: Annotated[
        str | None, typer.Option("--text", "-t", help="Write this note; empty removes it.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Show the run under this name; empty for the name of its launch."),
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Add tags: paper or paper,draft.")] = None,
    untag: Annotated[list[str] | None, typer.Option(help="Remove tags.")] = None,
    json: Json = False,
) -> None:
    """Give runs a name, tags or a note, or print what they have. Ids, settings and logs stay as they are."""
    lab = opened(context)
    ids = lab.store.find_all(runs)
    edit = Edit(
        name=name, note=text, add=notebook.tags(tag or ()), remove=notebook.tags(untag or ())
    )
    for run_id in ids:
        if damage := notebook.damage(lab.store.folder(run_id)):
            output.say(f"revconsole: run {run_id}: {damage}")
    if edit != Edit():
        lab.refuse_changes()
        keeping.edit(lab.store, ids, edit)
    rows = [
        {
            "id": run.id,
            "name": run.name,
            "tags": run.tags if json else " ".join(run.tags),
            "note": run.note,
        }
        for run in map(lab.summary, ids)
    ]
    columns = {"id": "id", "name": "name", "tags": "tags", "note": "note"}
    output.print_entries(rows, columns, json=json, prose=["note"])


def archive(
    context: typer.Context,
    runs: Addresses,
    undo: Annotated[bool, typer.Option("--undo", help="List them again.")] = False,
) -> None:
    """Leave runs out of lists, in the console too; `ls --where archived=true` lists them."""
    lab = opened(context)
    lab.refuse_changes()
    named = [lab.summary(run_id) for run_id in lab.store.find_all(runs)]
    moved = [run.id for run in named if run.archived is undo]
    if not moved:
        state = "listed: `ls --where archived=true` says which are not" if undo else "archived"
        raise WrongState(f"nothing to do: {_introduced(named)}, already {state}")
    keeping.edit(lab.store, moved, Edit(archived=not undo))
    done = "listed again" if undo else "archived; `archive --undo` takes their names or ids"
    output.say(f"{plural(len(moved), 'run')} {done}")


def rm(
    context: typer.Context,
    runs: MaybeAddresses = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Put runs back, by their ids.")] = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="Empty the trash of the store: nothing can be put back.")
    ] = False,
) -> None:
    """Delete runs that have ended. They are kept in the store's trash until `rm --purge`; `rm --undo ID` puts them back."""
    lab, named = opened(context), runs or []
    lab.refuse_changes()
    if purge and undo:
        raise NotDeleted(
            "--undo puts runs back and --purge deletes them for good: give one of them"
        )
    if purge:
        _purge(lab.store, named, yes=yes)
    elif not named and undo:
        there = ", ".join(trash.discarded(lab.store.root)[:MOST_NAMED]) or "nothing"
        raise NotDeleted(f"rm --undo needs the id of a deleted run; in the trash: {there}")
    elif not named:
        raise NotDeleted("rm needs a run: an id, a name, @1 or a pattern")
    elif undo:
        ids_back = _discarded(lab.store, named)
        keeping.restore(lab.store, ids_back)
        output.say(f"{plural(len(ids_back), 'run')} put back")
    else:
        chosen = [lab.summary(run_id) for run_id in lab.store.find_all(named)]
        if not yes and not _agreed(f"delete {_introduced(chosen)}?"):
            raise NotDeleted("nothing was deleted; --yes does not ask")
        keeping.discard(lab.store, chosen)
        ids = " ".join(run.id for run in chosen)
        output.say(
            f"{plural(len(chosen), 'run')} in the trash; put back with: revconsole rm --undo {ids}"
        )


def _purge(store: RunStore, named: Sequence[str], *, yes: bool) -> None:
    ids = _discarded(store, named) if named else trash.discarded(store.root)
    if not ids:
        output.say("the trash is empty")
        return
    if not yes and not _agreed(f"delete {plural(len(ids), 'run')} of the trash for good?"):
        raise NotDeleted("nothing was deleted; --yes does not ask")
    trash.purge(store.root, ids)
    output.say(f"{plural(len(ids), 'run')} deleted for good")


def _discarded(store: RunStore, named: Sequence[str]) -> tuple[str, ...]:
    """The runs of the trash with these ids, or the beginnings of them. Raises NoSuchRun."""
    known, found = trash.discarded(store.root), []
    for text in named:
        matching = [run_id for run_id in known if text and run_id.startswith(text)]
        if len(matching) != 1:
            there = ", ".join(known[:MOST_NAMED]) or "nothing"
            raise NoSuchRun(f"{text!r} is not one run in the trash of {store.root}; in it: {there}")
        found += matching
    return tuple(dict.fromkeys(found))


def _agreed(question: str) -> bool:
    """Ask on the terminal; no without one."""
    return sys.stdin.isatty() and sys.stderr.isatty() and typer.confirm(question, err=True)


def _introduced(runs: Sequence[Summary]) -> str:
    names = ", ".join(f"{run.id} ({one_line(run.name, 60)})" for run in runs[:MOST_NAMED])
    return f"{plural(len(runs), 'run')}: {names}" + (", …" if len(runs) > MOST_NAMED else "")
