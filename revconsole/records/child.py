"""Child processes: this interpreter with a module of this package, in a folder of our choice.

Neither the folder somebody works in nor an empty entry of PYTHONPATH is searched for modules: a file there called
like one of our dependencies would run in its place. A model of somebody's own is imported from that folder all the
same, because it was asked for by name; `working_folder` says which folder that is, in every process.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WORKING_FOLDER = "REVCONSOLE_WORKING_FOLDER"
"""In the environment of a child: the folder that somebody worked in who started it."""
PATHS = ("REVCONSOLE_STORE", "REVCONSOLE_DATA")
"""Variables that name a folder, relative to the working folder perhaps."""
SAFE_PATH = "PYTHONSAFEPATH"
"""What -P says, in the environment: for children of children, and for those that Python starts itself."""


def command(module: str, *arguments: str) -> list[str]:
    """The words that start `module` in a new interpreter. -P: nothing is imported from its folder."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """The environment of a child that has another working folder: every path in it absolute."""
    here = working_folder()
    found = dict(os.environ) | {WORKING_FOLDER: str(here), SAFE_PATH: "1"}
    for name in PATHS:
        if found.get(name, "").strip():
            found[name] = str(here / Path(found[name].strip()).expanduser())
    entries = [entry for entry in found.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if entries:
        found["PYTHONPATH"] = os.pathsep.join(str(here / entry) for entry in entries)
    else:
        found.pop("PYTHONPATH", None)
    return found


@contextmanager
def safe_pool() -> Iterator[None]:
    """While it lasts, what multiprocessing starts imports nothing from the working folder either.

    Its children run `python -c`, which puts that folder first; they inherit the environment of this process.
    """
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before


def working_folder() -> Path:
    """The folder that somebody works in who uses revconsole; that of a child's parent in a child."""
    return Path(os.environ.get(WORKING_FOLDER) or Path.cwd())
