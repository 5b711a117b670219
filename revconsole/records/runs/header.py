"""Header: the plan of a run with the changes of its attempts, or why it cannot be known."""

import json
from dataclasses import dataclass
from pathlib import Path

from revconsole.errors import RevconsoleError
from revconsole.records.files import bounded
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.plan_file import FILE, read_plan_file, stamp, write_plan_file
from revconsole.records.settings import changes
from revconsole.records.settings.given_plan import GivenPlan
from revconsole.records.settings.plan import Plan


class UnreadPlan(Plan):
    """Stands for a plan.json that cannot be read: its values are defaults, and say nothing of the run."""

    known = readable = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The parts of a run that hardly ever change. plan: None if it is damaged; `why` then says how."""

    id: str
    created: float
    plan: Plan | None
    why: str = ""
    stamp: tuple[int, ...] = (0, 0, 0)
    """Stamp of the file that the header was read from; see `stamp`."""


def read_header(folder: Path, *, with_changes: bool = True) -> Header:
    """Id, plan and creation time of a run folder; the plan is None if damaged. with_changes: with those of all attempts."""
    now, file = header_stamp(folder), read_plan_file(folder)
    plan, why = None, file.why
    try:
        if not why:
            kind = GivenPlan if "program" in file.settings else Plan
            plan = kind.model_validate_json(json.dumps(file.settings))
            for change in attempts.changes(folder) if with_changes else ():
                plan = changes.changed(plan, change)
    except bounded.OddFile as error:
        plan, why = None, f"{FILE} {error.strerror}"
    except RevconsoleError as error:
        plan, why = None, f"its plan cannot be read: {error}"
    except UNREADABLE as error:
        plan, why = None, f"{FILE} cannot be read: {type(error).__name__}"
    created = file.created if plan is not None else stamp(folder)[0] / 1e9
    return Header(id=folder.name, created=created, plan=plan, why=why, stamp=now)


def write_header(folder: Path, run_id: str, created: float, plan: Plan) -> None:
    """Write or replace the plan.json of a run folder. Raises OSError."""
    write_plan_file(folder, run_id, created, plan.model_dump(mode="json"))


def header_stamp(folder: Path) -> tuple[int, ...]:
    """Modification times and size of the plan and the attempts, which may change it; zeros if there is no plan."""
    plan = stamp(folder / FILE)
    return (*plan, stamp(folder / "attempts")[0] if plan != (0, 0) else 0)
