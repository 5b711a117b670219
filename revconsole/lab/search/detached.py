"""Detached: a search in a process with its own session, which outlives the terminal: `study run` itself, started anew."""

import shlex
import subprocess

from revconsole.errors import StoreError
from revconsole.records import child as children
from revconsole.records.files.shared import make_folder
from revconsole.records.runs.store import RunStore
from revconsole.records.search.planned_search import PlannedSearch
from revconsole.records.settings import search_path
from revconsole.records.settings.typing_again import command_line

FOLDER, OUTPUT = ".searches", "output.log"
"""Folder of the store with a folder for each search, and the name of what a search in the background wrote last."""


def detach(store: RunStore, planned: PlannedSearch) -> "subprocess.Popen[bytes]":
    """Start a process that goes on with the search. Raises StoreError if there can be none."""
    root = store.root.resolve()
    path = str(search_path.path_of(planned.named, "study").resolve())
    line = command_line(path, planned.settings, "study run", quick=planned.quick)
    _, *words = shlex.split(line)
    folder = root / FOLDER / planned.like.search
    try:
        root.mkdir(parents=True, exist_ok=True)
        for each in (folder.parent, folder):
            make_folder(each, exist_ok=True)
        with (folder / OUTPUT).open("wb") as log:
            words = children.command("revconsole", "--store", str(root), *words)
            return children.detached(words, root, log, stdout=log)
    except OSError as error:
        raise StoreError(f"cannot start the search: {error.strerror}") from None
