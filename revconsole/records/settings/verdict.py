"""Verdict: the error of a plan as one line of JSON that another process reads."""

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
    """The error in one line of JSON; `{}` for None."""
    match error:
        case None:
            return json.dumps({})
        case ProfileError():
            return json.dumps({"where": error.where, "key": error.key, "reason": error.reason})
        case _:
            return json.dumps({"kind": type(error).__name__, "reason": str(error)})


def raise_from(line: str) -> None:
    """Raise the error described by a line; unknown kinds become RevconsoleError. Returns if there is none."""
    body = json.loads(line)
    if "key" in body:
        raise ProfileError(body["where"], body["key"], body["reason"])
    if body:
        raise KINDS.get(body["kind"], RevconsoleError)(body["reason"])
