"""Verdict: what is wrong with a plan, as a line that one process writes and another one reads."""

import json

from revconsole.errors import (
    DataUnavailable,
    DeviceUnavailable,
    NotInvertible,
    ProfileError,
    RevconsoleError,
)

KINDS = {kind.__name__: kind for kind in (DataUnavailable, DeviceUnavailable, NotInvertible)}


def as_line(error: RevconsoleError | None) -> str:
    """The error in one line; of none, that nothing is wrong."""
    match error:
        case None:
            return json.dumps({})
        case ProfileError():
            return json.dumps({"where": error.where, "key": error.key, "reason": error.reason})
        case _:
            return json.dumps({"kind": type(error).__name__, "reason": str(error)})


def raise_from(line: str) -> None:
    """Raise the error that a line tells of, if it does; of another kind than these, a RevconsoleError."""
    told = json.loads(line)
    if "key" in told:
        raise ProfileError(told["where"], told["key"], told["reason"])
    if told:
        raise KINDS.get(told["kind"], RevconsoleError)(told["reason"])
