"""Store cache: the rows of a store's ended runs in one file, so that listing ten thousand runs reads one file.

The file is derived and may be deleted. A row is used only while its run has the signature under which it was stored:
times and sizes of the folders and files that the row comes from. The file is replaced by one rename without a lock;
of two processes that write at once one wins, and both contents are valid.
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
from revconsole.records.runs.packed import PackedMetrics, PackedNumbers, packed
from revconsole.records.runs.run import Summary
from revconsole.records.runs.standing import GivenAdvice
from revconsole.records.sections import Section
from revconsole.records.settings.given_plan import GivenPlan
from revconsole.records.settings.plan import Plan

FILE = "index.json"
OWNER_ALONE = 0o600
FORMAT = 7
"""Number of the format; raise it when the same log would give another row."""
COLUMNS = tuple(f.name for f in fields(Summary) if f.name != "plan")
ADVICE, METRICS, CURVE, TAGS = map(COLUMNS.index, ("advice", "metrics", "loss_curve", "tags"))
"""Columns whose values are not those of JSON."""

FILL = tuple(getattr(Summary, name).__set__ for name in COLUMNS)
FILL_PLAN = Summary.__dict__["plan"].__set__
"""Slot descriptors of Summary: they set the fields of a new row, although the class is frozen."""
SETTINGS = tuple(Plan.model_fields)
SETTINGS_GIVEN = set(SETTINGS)
SHARED = tuple(
    place
    for place, field in enumerate(Plan.model_fields.values())
    if isinstance(field.get_default(call_default_factory=True), Section)
)
"""Positions of the plan's settings that are sections; each distinct section is stored once."""

Signature = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CachedRow:
    """The row of an ended run, and the signature of the run folder that it was made from."""

    signature: Signature
    row: Summary


def signature(folder: str, attempt: int) -> Signature | None:
    """Modification times in nanoseconds and the log's size, for everything a row is made from; None if any is
    missing.

    A replaced plan or launch.json shows in the time of the run folder, a new attempt in the time of `attempts`, and
    the log is examined itself.
    """
    try:
        run = os.stat(folder)  # noqa: PTH116  building 30,000 Path objects takes longer than their stat calls
        tries = os.stat(folder + "/attempts")  # noqa: PTH116
        log = os.stat(f"{folder}/attempts/{attempt:04d}/events.jsonl")  # noqa: PTH116
    except OSError:
        return None
    return run.st_mtime_ns, tries.st_mtime_ns, log.st_mtime_ns, log.st_size


def settled(signature: Signature, since: float) -> bool:
    """Whether the last change is older than `since` (seconds since 1970), so that any later change would show.

    Timestamps are coarse: two changes within one tick look like one.
    """
    return max(signature[:3]) < since * 1e9


def read(root: Path) -> dict[str, CachedRow]:
    """The cached rows by run id; empty if there is no cache file or its format differs."""
    try:
        head, _, body = bounded.read(root / FILE, INDEX_BYTES).partition(b"\n")
        if json.loads(head) != _head(body):
            return {}
        return _entries(json.loads(body))
    except UNREADABLE:
        return {}


def write(root: Path, entries: Mapping[str, CachedRow]) -> None:
    """Replace the cache file. Does nothing if the store cannot be written."""
    body = json.dumps(_packed(entries), separators=(",", ":")).encode()
    hidden = root / f".{FILE}-{secrets.token_hex(4)}"
    try:
        descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ALONE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps(_head(body)).encode() + b"\n" + body)
            set_mode(file.fileno(), _mode(root, entries))
        hidden.replace(root / FILE)
    except OSError:
        hidden.unlink(missing_ok=True)


def _mode(root: Path, entries: Mapping[str, CachedRow]) -> int:
    """File mode that lets only those read the cache who may enter every run in it."""
    mode, group = OWNER_ALONE | 0o044, os.getegid()
    for run_id in entries:
        status = os.stat(f"{root}/{run_id}")  # noqa: PTH116  faster than Path for thousands of runs
        shared = status.st_mode & 0o055
        mode &= OWNER_ALONE | (shared if status.st_gid == group else shared & 0o005)
    return mode


def _head(body: bytes) -> dict[str, Any]:
    """First line of the cache file. `fields` changes with the fields of Summary and of the sections."""
    names = [*COLUMNS, *(f"{c.__name__}.{name}" for c in _sections() for name in c.model_fields)]
    return {
        "format": FORMAT,
        "fields": f"{zlib.crc32(' '.join(names).encode()):08x}",
        "crc": f"{zlib.crc32(body):08x}",
    }


def _sections() -> list[type[Section]]:
    """Every kind of section, also those that share a base of their own."""
    kinds = Section.__subclasses__()
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    return sorted(kinds, key=lambda cls: cls.__name__)


def _packed(entries: Mapping[str, CachedRow]) -> dict[str, Any]:
    """Rows as lists; sections and names of metrics, which many runs share, are stored once and referred to by position."""
    sections: dict[str, int] = {}
    named: dict[tuple[str, ...], int] = {}

    def referred(value: Any) -> Any:
        if not isinstance(value, Section):
            return value
        text = json.dumps([type(value).__name__, value.model_dump(mode="json")])
        return sections.setdefault(text, len(sections))

    def listed(row: Summary) -> list[Any]:
        columns = [getattr(row, name) for name in COLUMNS]
        columns[ADVICE] = [given._asdict() for given in row.advice]
        place = named.setdefault(tuple(row.metrics), len(named))
        columns[METRICS] = [place, packed(list(row.metrics.values()))]
        columns[CURVE] = packed(row.loss_curve)
        return columns

    rows = [
        (
            entry.signature,
            listed(entry.row),
            [referred(getattr(entry.row.plan, name)) for name in SETTINGS],
            _given(entry.row.plan),
        )
        for entry in entries.values()
    ]
    kinds = [json.loads(text) for text in sections]
    return {"sections": kinds, "metrics": list(named), "rows": rows}


def _entries(body: dict[str, Any]) -> dict[str, CachedRow]:
    """The inverse of `_packed`. Raises one of UNREADABLE for other content."""
    kinds = {cls.__name__: cls for cls in _sections()}
    sections = [kinds[kind].model_validate(values) for kind, values in body["sections"]]
    named, entries = body["metrics"], {}
    for source, columns, settings, given in body["rows"]:
        for place in SHARED:
            settings[place] = sections[settings[place]]
        columns[ADVICE] = tuple(GivenAdvice(**given) for given in columns[ADVICE])
        place, values = columns[METRICS]
        columns[METRICS] = PackedMetrics(named[place], values)
        columns[CURVE], columns[TAGS] = PackedNumbers(columns[CURVE]), tuple(columns[TAGS])
        row = _row(columns, _plan(settings, given))
        entries[row.id] = CachedRow(tuple(source), row)
    return entries


def _row(columns: list[Any], plan: Plan) -> Summary:
    """The row that `Summary(...)` gives, in 0.4 of its CPU time (2.5 µs instead of 6): listing makes one per run."""
    row = Summary.__new__(Summary)
    for fill, value in zip(FILL, columns, strict=True):
        fill(row, value)
    FILL_PLAN(row, plan)
    return row


def _given(plan: Plan) -> dict[str, Any] | None:
    """What a `GivenPlan` has beside the settings of a plan."""
    return {"given": plan.given, "program": plan.program} if isinstance(plan, GivenPlan) else None


def _plan(settings: list[Any], given: dict[str, Any] | None) -> Plan:
    """The plan of these settings, which the file's checksum shows to be unchanged since they were valid.

    given: as `_given` gives it. It takes an eighth of the CPU time of `Plan.model_validate` (2 µs instead of 16).
    """
    plan = Plan.__new__(Plan if given is None else GivenPlan)
    plan.__setstate__({
        "__dict__": dict(zip(SETTINGS, settings, strict=True)) | (given or {}),
        "__pydantic_fields_set__": SETTINGS_GIVEN,
        "__pydantic_extra__": None,
        "__pydantic_private__": None,
    })  # fmt: skip
    return plan
