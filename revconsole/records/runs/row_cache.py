"""Row cache: the table row of an ended run, stored beside its log so that listing need not read the log.

The file is derived and may be deleted. It names the attempt and the length of the log it was made from, and is
ignored as soon as either differs.
"""

import json
import zlib
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from revconsole.records.files import bounded
from revconsole.records.files.bounded import RECORD_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.runs.attempt import write_json
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan

FORMAT = 6
FILE = "summary.json"


def write(folder: Path, summary: Summary, log_bytes: int) -> None:
    """Store the row of an ended run. A folder that cannot be written is left unchanged."""
    row = {k: v for k, v in asdict(summary).items() if k != "plan"}
    source = {"format": FORMAT, "attempt": summary.attempt, "log_bytes": log_bytes}
    body = source | {"row": row, "crc": checksum(row)}
    try:
        write_json(folder / FILE, body)
    except OSError:
        return


def read(folder: Path, plan: Plan, attempt: int, log_bytes: int) -> Summary | None:
    """The stored row, or None unless it was made from this attempt with this log length and the present fields."""
    try:
        body = json.loads(bounded.read(folder / FILE, RECORD_BYTES))
        source = (body["format"], body["attempt"], body["log_bytes"])
        row: dict[str, Any] = body["row"]
        intact = body["crc"] == checksum(row)
    except UNREADABLE:
        return None
    expected = {f.name for f in fields(Summary)} - {"plan"}
    if source != (FORMAT, attempt, log_bytes) or not intact or set(row) != expected:
        return None
    return Summary(**row, plan=plan)


def checksum(row: dict[str, Any]) -> str:
    """CRC-32 of a row's JSON, in hexadecimal."""
    return f"{zlib.crc32(json.dumps(row, sort_keys=True).encode()):08x}"
