"""Row numbers: the numbers in a row of metrics of W&B or trackio; media, tables and texts in it are counted."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from revconsole.records.printable import one_line

INNER = "_"
"""Beginning of keys that the tools keep for themselves: `_step`, `_runtime`, `_timestamp`, `_wandb`."""
KIND = "_type"
"""What says that a value is a medium, as an image."""
MOST_DEPTH = 6
LONGEST_WORD = 20


def row_numbers(row: Mapping[str, Any], left_out: Counter[str]) -> dict[str, float]:
    """The numbers of a row by name, those inside of a value with dots. left_out: counts what is no number, by kind."""
    media = tuple(name.removesuffix(KIND) for name in row if name.endswith(f".{KIND}"))
    left_out.update(_word(row[f"{name}{KIND}"]) for name in media)
    found: dict[str, float] = {}
    for name, value in row.items():
        if not name.startswith(INNER) and not name.startswith(media):
            _take(name, value, found, left_out, depth=0)
    return found


def _take(
    name: str, value: Any, found: dict[str, float], left_out: Counter[str], depth: int
) -> None:
    if isinstance(value, dict) and KIND in value:
        left_out[_word(value[KIND])] += 1
    elif isinstance(value, dict) and depth < MOST_DEPTH:
        for inner, each in value.items():
            _take(f"{name}.{inner}", each, found, left_out, depth + 1)
    elif isinstance(value, int | float):
        found[name] = float(value)


def _word(kind: object) -> str:
    """In one word what W&B calls `images/separated` or `table-file`, and trackio `trackio.image`."""
    word = str(kind).partition("/")[0].partition("-")[0].rpartition(".")[2]
    return one_line(word.removesuffix("s"), LONGEST_WORD)
