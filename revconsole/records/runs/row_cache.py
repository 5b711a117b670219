"""Row cache: the row of a run that ended, kept beside its log so that listing need not read the log again.

Derived, and may be deleted. It names the attempt and the length of the log it was made from and is ignored as
soon as either differs.
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
    """Keep the row of an ended run. A folder that cannot be written is left as it is."""
    row = {k: v for k, v in asdict(summary).items() if k != "plan"}
    made_from = {"format": FORMAT, "attempt": summary.attempt, "log_bytes": log_bytes}
    body = made_from | {"row": row, "crc": checksum(row)}
    try:
        write_json(folder / FILE, body)
    except OSError:
        return


def read(folder: Path, plan: Plan, attempt: int, log_bytes: int) -> Summary | None:
    """The kept row, if it was made from exactly this log."""
    try:
        body = json.loads(bounded.read(folder / FILE, RECORD_BYTES))
        made_from = (body["format"], body["attempt"], body["log_bytes"])
        row: dict[str, Any] = body["row"]
        whole = body["crc"] == checksum(row)
    except UNREADABLE:
        return None
    expected = {f.name for f in fields(Summary)} - {"plan"}
    if made_from != (FORMAT, attempt, log_bytes) or not whole or set(row) != expected:
        return None
    return Summary(**row, plan=plan)


def checksum(row: dict[str, Any]) -> str:
    """CRC-32 of a row."""
    return f"{zlib.crc32(json.dumps(row, sort_keys=True).encode()):08x}"
