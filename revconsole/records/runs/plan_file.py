"""Plan file: the plan.json of a run as JSON, with a checksum of every part, so that an edited or damaged part is named.

Whether this version knows the settings in it is for `header` to ask; here nothing of them is imported, as the console's first frame
reads it too.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from revconsole.records.files import bounded
from revconsole.records.files.bounded import RECORD_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.runs.attempt import write_json

FILE = "plan.json"
FORMAT = 2


class PlanFile(NamedTuple):
    """What a run's plan.json holds. created: seconds since 1970. why: what is wrong with it; empty if nothing is, and only then
    are the others what was written.
    """

    settings: Mapping[str, Any]
    created: float
    why: str = ""


def read_plan_file(folder: Path) -> PlanFile:
    """The plan.json of a run folder; of a damaged one why it is, and when its folder changed last."""
    why = "its folder is a link, and no link is followed out of a store"
    try:
        if not folder.is_symlink():
            body = json.loads(bounded.read(folder / FILE, RECORD_BYTES))
            why = _fault(body, folder.name)
            if not why:
                return PlanFile(settings=dict(body["plan"]), created=float(body["created"]))
    except bounded.OddFile as error:
        why = f"{FILE} {error.strerror}"
    except UNREADABLE as error:
        why = f"{FILE} cannot be read: {type(error).__name__}"
    return PlanFile(settings={}, created=stamp(folder)[0] / 1e9, why=why)


def write_plan_file(folder: Path, run_id: str, created: float, settings: Mapping[str, Any]) -> None:
    """Write or replace the plan.json of a run folder. Raises OSError."""
    body = {"format": FORMAT, "id": run_id, "created": created, "plan": dict(settings)}
    write_json(folder / FILE, body | {"sha256": _sum(body), "parts": _sums(body)})


def stamp(path: Path) -> tuple[int, int]:
    """Modification time of a file or folder in nanoseconds, and its length; zeros if it does not exist."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _fault(body: dict[str, Any], name: str) -> str:
    """What is wrong with the content of the plan.json in a folder of this name; empty if nothing is. Raises UNREADABLE."""
    changed = _changed(body)
    if not math.isfinite(float(body["created"])):
        raise ValueError("the creation time is not finite")
    if changed:
        return f"{FILE} was changed after the run was planned: {', '.join(changed)}"
    run = str(body.get("id", name))
    return "" if run == name else f"its plan is of run {run}: the folder was renamed, or is a copy"


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
