"""TOML: reads a file or value written by a user within bounds, and reports any fault in one sentence."""

import os
import tomllib
from pathlib import Path
from typing import Any

from revconsole.errors import ProfileError
from revconsole.records.files import bounded

LARGEST_BYTES = 1 << 20
"""Largest accepted profile; a profile has a few hundred words."""
MOST_DIGITS = 4300
"""Digits of the longest integer that Python parses."""
TOO_DEEP = "its tables or lists are nested beyond reason"
TOO_LONG = f"a number in it has more than {MOST_DIGITS:,} digits"

Table = dict[str, Any]


def read_table(path: Path) -> Table:
    """The content of a TOML file. Raises ProfileError if it is missing, not regular, over `LARGEST_BYTES` or not TOML."""
    where = str(path)
    try:
        target = Path(os.path.realpath(path))  # a profile may be a link, unlike a file of the store
        text = bounded.read(target, LARGEST_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        raise ProfileError(
            where, "", "no such file; `revconsole profiles` lists the known ones"
        ) from None
    except OSError as error:
        raise ProfileError(where, "", _why(error)) from None
    except UnicodeDecodeError as error:
        raise ProfileError(where, "", f"is not valid TOML: {error}") from None
    try:
        return parsed(text)
    except ValueError as error:
        raise ProfileError(where, "", f"is not valid TOML: {error}") from None


def parsed(text: str) -> Table:
    """A TOML text as a table. Raises ValueError with one sentence, also for excessive nesting and numbers."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    except ValueError:
        raise ValueError(TOO_LONG) from None


def _why(error: OSError) -> str:
    """The sentence for a file that cannot be read."""
    if isinstance(error, bounded.OddFile):
        return f"{error.strerror}, so it is no profile"
    return f"cannot be read: {error.strerror}"
