"""Child processes: this interpreter with a module of this package, in a chosen working folder.

Neither the user's working folder nor an empty entry of PYTHONPATH is searched for modules, because a file there named
like a dependency would run in its place. A user's own model is imported from that folder nevertheless, because it was
requested by name; `working_folder` gives that folder in every process.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

WORKING_FOLDER = "REVCONSOLE_WORKING_FOLDER"
"""Environment variable of a child: the working folder of the user who started it."""
PATHS = ("REVCONSOLE_STORE", "REVCONSOLE_DATA")
"""Environment variables that name a folder, possibly relative to the working folder."""
SAFE_PATH = "PYTHONSAFEPATH"
"""Environment variable equivalent to -P; children of children and those that Python starts inherit it."""


FORKS = sys.platform != "darwin"
"""Whether a process may fork and go on in the child: macOS's libraries, Metal above all, do not stand it."""


def command(module: str, *arguments: str) -> list[str]:
    """Arguments that start `module` in a new interpreter. With -P nothing is imported from the working folder."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """The environment of a child with another working folder: every path in it is absolute."""
    folder = working_folder()
    variables = dict(os.environ) | {WORKING_FOLDER: str(folder), SAFE_PATH: "1"}
    for name in PATHS:
        if variables.get(name, "").strip():
            variables[name] = str(folder / Path(variables[name].strip()).expanduser())
    entries = [entry for entry in variables.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if entries:
        variables["PYTHONPATH"] = os.pathsep.join(str(folder / entry) for entry in entries)
    else:
        variables.pop("PYTHONPATH", None)
    return variables


def detached(
    words: Sequence[str],
    folder: Path,
    log: IO[bytes],
    *,
    stdin: int | None = None,
    stdout: IO[bytes] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a command in a session of its own, which outlives the terminal, in a working folder. log: takes its stderr.

    stdin, stdout: empty and thrown away if None. Raises OSError if it cannot be started.
    """
    import subprocess  # most commands start nothing
    import threading

    process = subprocess.Popen(  # noqa: S603  our own interpreter and module, no shell
        words,
        env=environment(),
        cwd=folder,
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        stdout=subprocess.DEVNULL if stdout is None else stdout,
        stderr=log,
        start_new_session=True,
        close_fds=True,
    )
    threading.Thread(
        target=process.wait, daemon=True
    ).start()  # or it would stay behind as a zombie
    return process


@contextmanager
def safe_pool() -> Iterator[None]:
    """A context in which multiprocessing, whose processes run `python -c`, imports nothing from the working folder."""
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
    """The user's working folder; in a child, that of its parent."""
    return Path(os.environ.get(WORKING_FOLDER) or Path.cwd())
