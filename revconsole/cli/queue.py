"""The verb of the queue: list what waits for each device, and give runs another place in it."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from revconsole.cli import complete, output
from revconsole.cli.arguments import Json
from revconsole.cli.opening import opened
from revconsole.errors import ProfileError
from revconsole.lab import format as form
from revconsole.lab import queue as queues
from revconsole.lab.lab import Lab
from revconsole.lab.queue import DeviceQueue, InQueue, QueueReader
from revconsole.records.settings.profile import COMMAND_LINE

COLUMNS = ["device", "place", "id", "name", "state", "takes", "begins in"]
LAST = 1_000_000


def queue(
    context: typer.Context,
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Waiting runs to move: ids, names, @1, patterns, or a profile; without one, every queue is listed.",
            autocompletion=complete.runs,
        ),
    ] = None,
    first: Annotated[
        bool, typer.Option("--first", help="Move them to the head of their queue.")
    ] = False,
    last: Annotated[bool, typer.Option("--last", help="Move them to its end.")] = False,
    before: Annotated[
        str, typer.Option(help="Move them before this waiting run.", autocompletion=complete.runs)
    ] = "",
    now: Annotated[
        bool, typer.Option("--now", help="Let them begin beside what trains on their device.")
    ] = False,
    json: Json = False,
) -> None:
    """List what trains and what waits on each device, in order, with the time that is left, or move runs in their queue.

    On a device one run of a store trains at a time, whatever processes ask for it. `stop` takes a run out of the queue.
    """
    lab = opened(context)
    asked = [first, last, bool(before), now]
    if not runs and not any(asked):
        _list(lab, json=json)
        return
    if not runs or sum(asked) != 1:
        raise ProfileError(
            COMMAND_LINE,
            "queue",
            "takes runs and one of --first, --last, --before RUN and --now; without either it lists the queues",
        )
    lab.refuse_changes()
    ids = _waiting(lab, runs)
    target = lab.store.find(before) if before else ""
    for run_id in ids if not first else reversed(ids):
        if now:
            answer = queues.begin_now(lab.store, run_id)
        elif before:
            answer = _before(lab, run_id, target)
        else:
            answer = queues.move(lab.store, run_id, to=LAST if last else 0)
        output.say(f"{run_id} {answer}")


def _waiting(lab: Lab, addresses: Sequence[str]) -> list[str]:
    """The runs that are meant, in the order of their queue; if an address means several, those that wait."""
    ids: list[str] = []
    for address in addresses:
        found = [lab.summary(run_id) for run_id in lab.store.find_all([address])]
        waiting = [run for run in found if run.state == "queued"]
        ids += [run.id for run in sorted(waiting or found[:1], key=lambda run: run.place)]
    return list(dict.fromkeys(ids))


def _before(lab: Lab, run_id: str, target: str) -> str:
    here, there = (queues.place_of(lab.store, each) for each in (run_id, target))
    return queues.move(lab.store, run_id, to=there - (here < there))


def _list(lab: Lab, *, json: bool) -> None:
    found = QueueReader(lab.store).read(lab.store.list())
    if json:
        output.print_json([_body(queue) for queue in found])
        return
    if not found:
        output.say("nothing trains or waits")
        return
    output.print_table(COLUMNS, [row for queue in found for row in _rows(queue)], stays=COLUMNS)
    for queue in found:
        output.say(queue.sentence)


def _rows(queue: DeviceQueue) -> list[list[str]]:
    begins = queue.begins()
    places = {run_id: str(place) for place, run_id in enumerate(begins, 1)}
    return [
        [
            each.run.device if not each.waits and each.run.device else queue.named,
            places.get(each.run.id, ""),
            each.run.id,
            each.run.name,
            each.run.state,
            form.duration(each.seconds),
            form.duration(begins[each.run.id]) if each.waits else "",
        ]
        for each in (*queue.training, *queue.waiting)
    ]


def _body(queue: DeviceQueue) -> dict[str, Any]:
    begins = queue.begins()
    return {
        "devices": list(queue.devices),
        "host": queue.host or None,
        "training": [_entry(each, None) for each in queue.training],
        "waiting": [_entry(each, begins[each.run.id]) for each in queue.waiting],
    }


def _entry(each: InQueue, begins: float | None) -> dict[str, Any]:
    """A run of a queue, as `queue --json` prints it."""
    return {
        "id": each.run.id,
        "name": each.run.name,
        "state": each.run.state,
        "seconds": each.seconds,
        "begins_in_seconds": begins,
        "device": each.run.device or None,
        "now": each.now,
    }
