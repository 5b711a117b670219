"""Queued: the note in launch.json on an attempt that waits for its turn: whose it is, where it stands, what it waits for.

The order of a queue is that of `place`, a time unless somebody has moved the run; see `turns`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from revconsole.records.files import bounded
from revconsole.records.files.bounded import NOTE_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.runs.identity import UNKNOWN, Identity

FILE = "launch.json"
FIRST_OF_ALL = 0.0
"""Place of a run that moves to another process in the midst of its training: nothing comes before it."""


class Queued(NamedTuple):
    """A queued attempt of a run.

    holder: the process that queued it. refused: why it could not begin; empty otherwise. changes: plan changes that
    it begins with; see `settings.changes`. place: where it stands in the queue, the lowest first. devices: those it may
    train on, any of which will do; empty if it waits for none. now: whether it does not wait for its turn. job: the Slurm
    job that trains it, empty while it is being submitted; None for a run that no job trains. slots: the device of each
    worker that may take it, if several do. needs: bytes of its device's memory that have to be free, as far as that is
    known. lacks: why it cannot begin although it is its turn; empty otherwise. at_once: whether it trains on all of its
    devices, as a run on several ranks does, and not on any one of them.
    """

    holder: Identity
    attempt: int
    refused: str = ""
    changes: Mapping[str, Any] = MappingProxyType({})
    place: float = FIRST_OF_ALL
    devices: tuple[str, ...] = ()
    now: bool = False
    job: str | None = None
    slots: tuple[str, ...] = ()
    needs: int | None = None
    lacks: str = ""
    at_once: bool = False


def read_queued(path: Path) -> Queued | None:
    """The content of a launch.json; None if there is none, attempt 1 held by UNKNOWN if it cannot be read now."""
    try:
        body = json.loads(bounded.read(path, NOTE_BYTES))
        return Queued(
            holder=Identity.from_dict(body),
            attempt=int(body["attempt"]),
            refused=str(body.get("refused", "")),
            changes=dict(body.get("changes", {})),
            place=float(body.get("place", body.get("time", FIRST_OF_ALL))),
            devices=tuple(map(str, body.get("devices", ()))),
            now=bool(body.get("now", False)),
            job=str(body["job"]) if "job" in body else None,
            slots=tuple(map(str, body.get("slots", ()))),
            needs=int(body["needs"]) if body.get("needs") else None,
            lacks=str(body.get("lacks", "")),
            at_once=bool(body.get("at_once", False)),
        )
    except (FileNotFoundError, NotADirectoryError, bounded.OddFile):
        return None
    except OSError:
        return Queued(UNKNOWN, 1)
    except UNREADABLE:
        return None
