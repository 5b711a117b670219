"""Notebook: what a user adds to a run after the fact: another name, tags, a note, and whether it is archived.

It is one small file beside the run, changed under a lock of the run folder.
"""

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from revconsole.errors import RevconsoleError, StoreError
from revconsole.records.files import bounded
from revconsole.records.files.bounded import NOTE_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.printable import one_line
from revconsole.records.runs.attempt import write_json

FILE = "notebook.json"
ASIDE = "notebook.damaged.json"
"""The name that a damaged file gets before other notes are written."""
FORMAT = 1
LONGEST_NAME, LONGEST_NOTE, MOST_TAGS = 120, 4000, 32
TAG = re.compile(r"[\w.+/-]{1,40}")


class BadNote(RevconsoleError):  # noqa: N818  the name says what happened
    """A name, tag or note that a run cannot have."""

    exit_code = 2


class Notes(NamedTuple):
    """What a user added to a run. name: empty for the name that the run was launched with."""

    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    archived: bool = False


NOTHING = Notes()


class Edit(NamedTuple):
    """A change of the notes of a run; None leaves a part as it is.

    name: empty for the name that the run was launched with. note: empty for no note. add, remove: tags.
    """

    name: str | None = None
    note: str | None = None
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    archived: bool | None = None


def read(folder: Path) -> Notes:
    """The notes of a run; no notes if there are none, or they are damaged, which `damage` says."""
    try:
        return _parsed(folder)
    except UNREADABLE:
        return NOTHING


def damage(folder: Path) -> str:
    """Why the notes of a run cannot be read and where they are kept, as a sentence; empty if they can, or there are none."""
    if not os.path.lexists(folder / FILE):
        return ""
    try:
        _parsed(folder)
    except UNREADABLE as error:
        why = getattr(error, "strerror", None) or str(error)
        return f"{folder / FILE} is damaged ({one_line(why, 120)}); a change keeps it as {ASIDE}"
    return ""


def _parsed(folder: Path) -> Notes:
    """The notes in the file of a run. Raises the exceptions of UNREADABLE."""
    body = json.loads(bounded.read(folder / FILE, NOTE_BYTES))
    name, tags, note, archived = (body[key] for key in ("name", "tags", "note", "archived"))
    if body.get("format", FORMAT) != FORMAT:
        raise ValueError(f"format {body['format']!r} is not {FORMAT}")
    if not isinstance(archived, bool):
        raise TypeError("archived should be true or false")
    if not isinstance(tags, list) or not all(isinstance(text, str) for text in (name, note, *tags)):
        raise ValueError("name and note should be texts, and tags a list of texts")
    return Notes(
        name=name[:LONGEST_NAME],
        tags=tuple(tags)[:MOST_TAGS],
        note=note[:LONGEST_NOTE],
        archived=archived,
    )


def change(folder: Path, edit: Edit) -> Notes:
    """Change the notes of a run; returns those from before. Raises BadNote or StoreError."""
    check(edit)
    try:
        with _alone(folder):
            before = read(folder)
            after = _changed(before, edit)
            if after != before:
                _set_aside(folder)
                write_json(folder / FILE, {"format": FORMAT, **after._asdict()})
    except OSError as error:
        raise StoreError(f"cannot write {folder / FILE}: {error.strerror}") from None
    return before


def put_back(folder: Path, notes: Notes) -> None:
    """Replace the notes of a run by earlier ones. Raises StoreError."""
    try:
        with _alone(folder):
            _set_aside(folder)
            write_json(folder / FILE, {"format": FORMAT, **notes._asdict()})
    except OSError as error:
        raise StoreError(f"cannot write {folder / FILE}: {error.strerror}") from None


def _set_aside(folder: Path) -> None:
    """Rename a damaged file, so that what can be read of it is not lost; an earlier one keeps its name. Raises OSError."""
    if not damage(folder):
        return
    stem, number = ASIDE.removesuffix(".json"), 1
    aside = folder / ASIDE
    while os.path.lexists(aside):
        number += 1
        aside = folder / f"{stem}-{number}.json"
    (folder / FILE).rename(aside)


def check(edit: Edit) -> None:
    """Check that a run can have these notes. Raises BadNote."""
    name, note = edit.name or "", edit.note or ""
    if len(name) > LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise BadNote(
            f"{one_line(name, 60)!r} is no name of a run: at most {LONGEST_NAME} printable characters, none of them a blank at the ends"
        )
    if re.search(r"[*?]|@\d+$", name):
        raise BadNote(
            f"{one_line(name, 60)!r} is no name of a run: * and ? make a pattern, and @1 at the end counts runs"
        )
    if len(note) > LONGEST_NOTE:
        raise BadNote(f"a note has at most {LONGEST_NOTE} characters, not {len(note)}")
    for tag in edit.add:
        if not TAG.fullmatch(tag):
            raise BadNote(
                f"{one_line(tag, 60)!r} is no tag: at most 40 letters, digits, and . + / _ - without blanks"
            )


def _changed(before: Notes, edit: Edit) -> Notes:
    tags = tuple(sorted({*before.tags, *edit.add} - set(edit.remove)))
    if len(tags) > MOST_TAGS:
        raise BadNote(f"a run has at most {MOST_TAGS} tags, not {len(tags)}")
    return before._replace(
        tags=tags,
        name=before.name if edit.name is None else edit.name,
        note=before.note if edit.note is None else edit.note,
        archived=before.archived if edit.archived is None else edit.archived,
    )


def tags(texts: Iterable[str]) -> tuple[str, ...]:
    """The tags of texts in which they stand between commas or blanks."""
    return tuple(tag for text in texts for tag in re.split(r"[,\s]+", text) if tag)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from changing the notes; without effect on file systems that have no locks."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
