"""Header: the plan.json of a run, with a checksum of every part, so that an edited or damaged part is named."""

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from revconsole.errors import RevconsoleError
from revconsole.records.files import bounded
from revconsole.records.files.bounded import RECORD_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.attempt import write_json
from revconsole.records.settings import changes
from revconsole.records.settings.plan import Plan

FILE = "plan.json"
FORMAT = 2


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
    now = header_stamp(folder)
    if folder.is_symlink():
        return _damaged(folder, now, "its folder is a link, and no link is followed out of a store")
    try:
        body = json.loads(bounded.read(folder / FILE, RECORD_BYTES))
        changed = _changed(body)
        plan = Plan.model_validate_json(json.dumps(body["plan"]))
        for change in attempts.changes(folder) if with_changes else ():
            plan = changes.changed(plan, change)
        created = float(body["created"])
        if not math.isfinite(created):
            raise ValueError("the creation time is not finite")
    except bounded.OddFile as error:
        return _damaged(folder, now, f"{FILE} {error.strerror}")
    except RevconsoleError as error:
        return _damaged(folder, now, f"its plan cannot be read: {error}")
    except UNREADABLE as error:
        return _damaged(folder, now, f"{FILE} cannot be read: {type(error).__name__}")
    why = f"{FILE} was changed after the run was planned: {', '.join(changed)}" if changed else ""
    if (run := str(body.get("id", folder.name))) != folder.name:
        why = why or f"its plan is of run {run}: the folder was renamed, or is a copy"
    if why:
        return _damaged(folder, now, why)
    return Header(id=folder.name, created=created, plan=plan, stamp=now)


def write_header(folder: Path, run_id: str, created: float, plan: Plan) -> None:
    """Write or replace the plan.json of a run folder. Raises OSError."""
    body = {
        "format": FORMAT,
        "id": run_id,
        "created": created,
        "plan": plan.model_dump(mode="json"),
    }
    write_json(folder / FILE, body | {"sha256": _sum(body), "parts": _sums(body)})


def stamp(path: Path) -> tuple[int, int]:
    """Modification time of a file or folder in nanoseconds, and its length; zeros if it does not exist."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def header_stamp(folder: Path) -> tuple[int, ...]:
    """Modification times and size of the plan and the attempts, which may change it; zeros if there is no plan."""
    plan = stamp(folder / FILE)
    return (*plan, stamp(folder / "attempts")[0] if plan != (0, 0) else 0)


def _damaged(folder: Path, now: tuple[int, ...], why: str) -> Header:
    age = stamp(folder)[0] / 1e9
    return Header(id=folder.name, created=age, plan=None, why=why, stamp=now)


def _changed(body: dict[str, Any]) -> list[str]:
    """Names of the parts that differ from what was written; empty if none does."""
    content = {key: value for key, value in body.items() if key not in {"sha256", "parts"}}
    if content["format"] == FORMAT and body.get("sha256") == _sum(content):
        return []
    before, now = body.get("parts", {}), _sums(content)
    return sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k)) or [
        "its checksum"
    ]


def _sums(body: dict[str, Any]) -> dict[str, str]:
    """A short checksum of every section of the plan and of every other part of the file."""
    beside = {key: value for key, value in body.items() if key != "plan"}
    return {key: _sum(value)[:8] for key, value in (beside | body["plan"]).items()}


def _sum(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
