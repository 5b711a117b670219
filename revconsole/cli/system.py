"""The verb `system`: processors, memory, disk and cards of this machine, and what uses them."""

import time
from dataclasses import asdict

import typer

from revconsole.cli import output
from revconsole.cli.arguments import Json
from revconsole.cli.opening import opened
from revconsole.lab.system import System, SystemReader
from revconsole.lab.system_words import groups

SECONDS = 0.3
"""Time between the two readings from which shares of time are taken."""


def system(context: typer.Context, json: Json = False) -> None:
    """Show processors, memory, disk and cards of this machine, and which runs and other jobs use them."""
    store = opened(context).store
    summaries = store.list()
    reader = SystemReader(store)
    reader.read(summaries)
    time.sleep(SECONDS)
    now = reader.read(summaries)
    reader.close()
    if json:
        output.print_json(_body(now))
        return
    rows = [
        (group.title, gauge.name, gauge.value) for group in groups(now) for gauge in group.gauges
    ]
    rows += [(group.title, "note", note) for group in groups(now) for note in group.notes]
    rows += [(each.state, each.id, f"{each.name}, on {each.device}") for each in now.trainings]
    output.print_table(["part", "quantity", "value"], rows, prose=["value"])


def _body(now: System) -> dict[str, object]:
    machine = asdict(now.machine)
    for gpu in machine["gpus"]:
        gpu["processes"] = [asdict(each) for each in now.on_cards.get(gpu["number"], ())]
    return machine | {"trainings": [asdict(each) for each in now.trainings]}
