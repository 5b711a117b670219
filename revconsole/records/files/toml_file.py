"""TOML: a file, or a value, that somebody else wrote, read within bounds; whatever is wrong with it is one sentence."""

import os
import tomllib
from pathlib import Path
from typing import Any

from revconsole.errors import ProfileError
from revconsole.records.files import bounded

LARGEST_BYTES = 1 << 20
"""A profile says a few hundred words; a file beyond this is something else."""
MOST_DIGITS = 4300
"""Digits of the longest number that Python reads."""
TOO_DEEP = "its tables or lists are nested beyond reason"
TOO_LONG = f"a number in it has more than {MOST_DIGITS:,} digits"

Table = dict[str, Any]


def read_table(path: Path) -> Table:
    """The content of a TOML file.

    Raises ProfileError for what is missing, no regular file, larger than `LARGEST_BYTES` or not TOML; a pipe or a
    device is not opened to be read.
    """
    where = str(path)
    try:
        found = Path(os.path.realpath(path))  # a profile may be a link, unlike a file of the store
        text = bounded.read(found, LARGEST_BYTES).decode("utf-8-sig")
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
    """TOML as a table. Raises ValueError with one sentence, also for depths and numbers beyond reason."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    except ValueError:
        raise ValueError(TOO_LONG) from None


def _why(error: OSError) -> str:
    """Why a file cannot be read."""
    if isinstance(error, bounded.OddFile):
        return f"{error.strerror}, so it is no profile"
    return f"cannot be read: {error.strerror}"
