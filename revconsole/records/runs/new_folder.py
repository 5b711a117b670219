"""New folder: how a run folder begins: by one rename, under an id of its own, readable for those whom its owner lets in.

Without pydantic, because it is imported into the programs of others.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from revconsole.errors import UnknownName
from revconsole.records.files.shared import ENTERED, make_folder, set_mode

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""Letters and digits that are not mistaken for one another when an id is read aloud."""
ID_LENGTH = 8
ENVIRONMENT = "REVCONSOLE_STORE"
SHARE = "REVCONSOLE_SHARE"
MODES = {"": 0o700, "group": 0o750, "all": 0o755}
"""Mode of a run folder by the value of REVCONSOLE_SHARE: readable by its owner, the group, everybody."""


def new_id() -> str:
    """An id that no run has."""
    import secrets  # only to make a run: it loads OpenSSL, which the console's first frame need not wait for

    return "".join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH))


def is_id(text: str) -> bool:
    """Whether a text can be the id of a run."""
    return len(text) == ID_LENGTH and all(c in ALPHABET for c in text)


def folder_mode(share: str) -> int:
    """Mode of a new run folder for a value of REVCONSOLE_SHARE. Raises UnknownName."""
    if share not in MODES:
        raise UnknownName(f"value of {SHARE}", share, [name for name in MODES if name])
    return MODES[share]


def make_root(root: Path) -> None:
    """Create the store's folder: only the owner may create runs; where they are shared, others may pass through it.

    Raises OSError, and UnknownName as `folder_mode` does.
    """
    shared, new = folder_mode(os.environ.get(SHARE, "")) != MODES[""], not root.exists()
    root.mkdir(mode=ENTERED, parents=True, exist_ok=True)
    if new and shared:
        set_mode(root, ENTERED)


def new_folder(root: Path, run_id: str, fill: Callable[[Path], None]) -> None:
    """Create the folder of a run, whole or not at all. fill: writes what is in it. Raises OSError, and UnknownName."""
    mode = folder_mode(os.environ.get(SHARE, ""))
    hidden = root / f".new-{run_id}-{new_id()}"
    try:
        make_root(root)
        make_folder(hidden, mode)
        fill(hidden)
        hidden.rename(root / run_id)
    except OSError:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
