"""Found: the runs that lie in a folder and below it, whatever tool recorded them. Links are not followed."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from revconsole.records.files import bounded
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.foreign.formats import FORMATS, OF_TOOL
from revconsole.records.foreign.part import Part
from revconsole.records.printable import one_line
from revconsole.records.runs.new_folder import ALPHABET, ID_LENGTH, is_id

MOST_FOLDERS, MOST_RUNS, DEEPEST = 20_000, 10_000, 12
PLAN = "plan.json"
JOINT = ":"
"""Between folders in the name of a run: with a slash it would be taken for the path of a profile."""


@dataclass(frozen=True)
class Found:
    """A run of another tool. source: what was asked for, as it was written. place: the folder there, with slashes. name: the
    file in it, where a folder can hold several runs; empty otherwise.
    """

    tool: str
    source: str
    root: Path
    place: str
    name: str = ""

    @cached_property
    def id(self) -> str:
        """An id like that of a run of ours, always the same for this place."""
        digest = hashlib.sha256(
            f"{self.source}\n{self.place}\n{self.name}".encode(errors="replace")
        ).digest()
        value, word = int.from_bytes(digest), ""
        while len(word) < ID_LENGTH:
            value, rest = divmod(value, len(ALPHABET))
            word += ALPHABET[rest]
        return word

    @property
    def folder(self) -> Path:
        """The folder with its files."""
        return self.root / self.place

    @property
    def title(self) -> str:
        """Folder and name, for a run without a name of its own."""
        steps = [*self.place.split("/"), *self.name.split("/")]
        inside = JOINT.join(step for step in steps if step not in {"", "."})
        return one_line(inside or self.root.name)

    def printed(self) -> Path | None:
        """The file with what the run printed, if its tool keeps one."""
        path_of = getattr(OF_TOOL[self.tool], "printed", None)
        return None if path_of is None else path_of(self.folder)

    def parts(self) -> list[Part]:
        """Its files, in the order in which they are taken. Raises OSError."""
        return OF_TOOL[self.tool].parts(self.folder, self.name)


@dataclass(frozen=True, slots=True)
class FolderSearch:
    """What was found. stores: folders with runs of ours. problems: sentences on what could not be searched."""

    runs: tuple[Found, ...] = ()
    stores: tuple[Path, ...] = ()
    problems: tuple[str, ...] = ()


def search(root: Path, source: str) -> FolderSearch:
    """All runs in a folder and below it. Never raises."""
    walk = _Walk(root, source)
    walk.enter(root)
    return FolderSearch(tuple(walk.runs), tuple(walk.stores), tuple(walk.problems))


class _Walk:
    """One walk through a folder."""

    def __init__(self, root: Path, source: str) -> None:
        self._root, self._source = root, source
        self._folders = 0
        self.runs: list[Found] = []
        self.stores: dict[Path, None] = {}
        self.problems: list[str] = []

    def enter(self, folder: Path, depth: int = 0) -> None:
        """Take the runs of a folder, then those of the folders in it."""
        self._folders += 1
        if self._folders > MOST_FOLDERS or len(self.runs) > MOST_RUNS or depth > DEEPEST:
            self._say(
                f"{self._source}: too many or too deep folders; the runs of the first {self._folders - 1:,} are listed"
            )
            return
        try:
            files, inner = frozenset(bounded.files(folder)), sorted(bounded.folders(folder))
        except OSError as error:
            self._say(f"{one_line(str(folder))} cannot be read: {error.strerror}")
            return
        if is_id(folder.name) and PLAN in files:
            self.stores[folder.parent] = None
            return
        mine = tuple(self._claimed(folder, files))
        for name in inner:
            owned = any(OF_TOOL[tool].owns(name) for tool in mine)
            if not owned and not name.startswith("."):
                self.enter(folder / name, depth + 1)

    def _claimed(self, folder: Path, files: frozenset[str]) -> Iterator[str]:
        """Note the runs of a folder; yields the tools that have one there."""
        place, taken = folder.relative_to(self._root).as_posix(), set[str]()
        for each in FORMATS:
            try:
                names = each.claims(folder, files)
            except UNREADABLE as error:
                self._say(f"{one_line(str(folder))}: {each.TOOL}: {type(error).__name__}")
                continue
            new = [name for name in names if name not in taken]
            taken |= set(new)
            self.runs += [Found(each.TOOL, self._source, self._root, place, name) for name in new]
            if new:
                yield each.TOOL

    def _say(self, problem: str) -> None:
        if problem not in self.problems and len(self.problems) < 10:
            self.problems.append(problem)
