"""Ranges: a range of numbers as it is typed into a field, and as `[search.space]` has it.

1e-4..1e-1 log      2..8 step 2      0..0.5
"""

import re
from typing import Any

from revconsole.errors import ProfileError
from revconsole.records.settings import complaints, layer
from revconsole.records.settings.search import Dimension
from revconsole.records.settings.words import shown

BETWEEN = ".."
NUMBER = re.compile(r"[+-]?(\d[\d_]{0,18}\.?\d{0,18}|\.\d{1,18})([eE][+-]?\d{1,3})?")
WHOLE = re.compile(r"[+-]?[\d_]+")
HOW = "a range is LOW..HIGH, with log or step NUMBER behind it, as 1e-4..1e-1 log or 2..8 step 2"


def is_range(key: str, value: Any) -> bool:
    """Whether a value of a setting that is a number was typed as a range, a wrong one included."""
    return (
        isinstance(value, str) and BETWEEN in value and complaints.number_of(full(key)) is not None
    )


def full(key: str) -> str:
    """The dotted key of a setting that may be written without its section."""
    return key if "." in key else layer.setting_named(key) or key


def table_of(text: str, where: str, key: str) -> dict[str, Any]:
    """What `[search.space]` has for a typed range; its sense is checked there. Raises ProfileError."""
    low, _, rest = text.partition(BETWEEN)
    high, *how = rest.split() or [""]
    table = {"from": _number(low.strip()), "to": _number(high)}
    match how:
        case []:
            pass
        case ["log"]:
            table["log"] = True
        case ["step", step]:
            table["step"] = _number(step)
        case _:
            raise ProfileError(where, key, f"{HOW}, not {shown(text)}")
    if None in table.values():
        raise ProfileError(where, key, f"{HOW}, not {shown(text)}")
    return table


def typed(drawn: Dimension) -> str:
    """What is drawn, as it is typed into a field: a range, or a list of choices."""
    if drawn.choices:
        return f"[{', '.join(str(each).lower() if isinstance(each, bool) else str(each) for each in drawn.choices)}]"
    step = f" step {drawn.step:g}" if drawn.step else ""
    return f"{drawn.low:g}{BETWEEN}{drawn.high:g}{' log' if drawn.log else ''}{step}"


def written(drawn: Dimension) -> Any:
    """What is drawn, as `[search.space]` has it."""
    if drawn.choices:
        return list(drawn.choices)
    table: dict[str, Any] = {"from": drawn.low, "to": drawn.high}
    return (
        table | ({"log": True} if drawn.log else {}) | ({"step": drawn.step} if drawn.step else {})
    )


def _number(text: str) -> int | float | None:
    """The number that a text is; None if it is none."""
    if not NUMBER.fullmatch(text):
        return None
    return int(text) if WHOLE.fullmatch(text) else float(text)
