"""Store cache: the rows of a store's ended runs in one file, so that listing ten thousand of them reads one file.

Derived, and may be deleted. A row is believed only while its run has the signature it was made under (times and
sizes of the folders and files a row comes from). It is replaced in one step, without a lock: of two processes that
write it at once one wins, and what both wrote is true.
"""

import json
import os
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from revconsole.records.files import bounded
from revconsole.records.files.bounded import INDEX_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.files.shared import set_mode
from revconsole.records.runs.run import Summary
from revconsole.records.sections import Section
from revconsole.records.settings.plan import Plan

FILE = "index.json"
OWNER_ALONE = 0o600
FORMAT = 3
"""To be raised when the same log would make another row."""
COLUMNS = tuple(f.name for f in fields(Summary) if f.name != "plan")

FILL = tuple(getattr(Summary, name).__set__ for name in COLUMNS)
FILL_PLAN = Summary.__dict__["plan"].__set__
"""What puts a value into a new row, which is frozen to everybody else."""
SETTINGS = tuple(Plan.model_fields)
SETTINGS_GIVEN = set(SETTINGS)
SHARED = tuple(
    place
    for place, field in enumerate(Plan.model_fields.values())
    if isinstance(field.get_default(call_default_factory=True), Section)
)
"""Which of the settings of a plan are sections."""

Signature = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CachedRow:
    """The row of an ended run, and the signature of the run folder it was made from."""

    signature: Signature
    row: Summary


def signature(folder: str, attempt: int) -> Signature | None:
    """Times of change in nanoseconds, then a size, of what a row is made from; None if it is not all there.

    A plan or a launch.json that is replaced shows in the time of the run folder, a new attempt in that of
    `attempts`, and the log is looked at itself.
    """
    try:
        run = os.stat(folder)  # noqa: PTH116  to make 30,000 paths takes longer than to look there
        tries = os.stat(folder + "/attempts")  # noqa: PTH116
        log = os.stat(f"{folder}/attempts/{attempt:04d}/events.jsonl")  # noqa: PTH116
    except OSError:
        return None
    return run.st_mtime_ns, tries.st_mtime_ns, log.st_mtime_ns, log.st_size


def settled(signature: Signature, since: float) -> bool:
    """Whether the last change was before `since` (seconds since 1970), so that any other would show.

    Time stamps are coarse: two changes within one tick look like one.
    """
    return max(signature[:3]) < since * 1e9


def read(root: Path) -> dict[str, CachedRow]:
    """The rows of a store's index by run; none if there is no index, or not one of this version."""
    try:
        head, _, body = bounded.read(root / FILE, INDEX_BYTES).partition(b"\n")
        if json.loads(head) != _head(body):
            return {}
        return _entries(json.loads(body))
    except UNREADABLE:
        return {}


def write(root: Path, entries: Mapping[str, CachedRow]) -> None:
    """Replace the index. A store that cannot be written does without."""
    body = json.dumps(_packed(entries), separators=(",", ":")).encode()
    hidden = root / f".{FILE}-{secrets.token_hex(4)}"
    try:
        made = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ALONE)
        with os.fdopen(made, "wb") as file:
            file.write(json.dumps(_head(body)).encode() + b"\n" + body)
            set_mode(file.fileno(), _mode(root, entries))
        hidden.replace(root / FILE)
    except OSError:
        hidden.unlink(missing_ok=True)


def _mode(root: Path, entries: Mapping[str, CachedRow]) -> int:
    """Readable by those who may enter every run that it has a row of."""
    mode, group = OWNER_ALONE | 0o044, os.getegid()
    for run_id in entries:
        found = os.stat(f"{root}/{run_id}")  # noqa: PTH116  as above
        shared = found.st_mode & 0o055
        mode &= OWNER_ALONE | (shared if found.st_gid == group else shared & 0o005)
    return mode


def _head(body: bytes) -> dict[str, Any]:
    """What an index begins with. `fields`: a row and a plan must have the same ones as those that were written."""
    known = [*COLUMNS, *(f"{c.__name__}.{name}" for c in _sections() for name in c.model_fields)]
    return {
        "format": FORMAT,
        "fields": f"{zlib.crc32(' '.join(known).encode()):08x}",
        "crc": f"{zlib.crc32(body):08x}",
    }


def _sections() -> list[type[Section]]:
    return sorted(Section.__subclasses__(), key=lambda cls: cls.__name__)


def _packed(entries: Mapping[str, CachedRow]) -> dict[str, Any]:
    """Rows as lists; sections of plans, which many runs share, once."""
    sections: dict[str, int] = {}

    def packed(value: Any) -> Any:
        if not isinstance(value, Section):
            return value
        text = json.dumps([type(value).__name__, value.model_dump(mode="json")])
        return sections.setdefault(text, len(sections))

    rows = [
        (
            entry.signature,
            [getattr(entry.row, name) for name in COLUMNS],
            [packed(getattr(entry.row.plan, name)) for name in SETTINGS],
        )
        for entry in entries.values()
    ]
    return {"sections": [json.loads(text) for text in sections], "rows": rows}


def _entries(body: dict[str, Any]) -> dict[str, CachedRow]:
    kinds = {cls.__name__: cls for cls in _sections()}
    sections = [kinds[kind].model_validate(values) for kind, values in body["sections"]]
    found = {}
    for made_from, columns, settings in body["rows"]:
        for place in SHARED:
            settings[place] = sections[settings[place]]
        row = _row(columns, _plan(settings))
        found[row.id] = CachedRow(tuple(made_from), row)
    return found


def _row(columns: list[Any], plan: Plan) -> Summary:
    """As `Summary(...)` makes it, in half the time: that matters where there are ten thousand."""
    row = Summary.__new__(Summary)
    for fill, value in zip(FILL, columns, strict=True):
        fill(row, value)
    FILL_PLAN(row, plan)
    return row


def _plan(settings: list[Any]) -> Plan:
    """A plan that was valid when the index was written, which its checksum shows; to check it again takes longer."""
    plan = Plan.__new__(Plan)
    plan.__setstate__({
        "__dict__": dict(zip(SETTINGS, settings, strict=True)),
        "__pydantic_fields_set__": SETTINGS_GIVEN,
        "__pydantic_extra__": None,
        "__pydantic_private__": None,
    })  # fmt: skip
    return plan
