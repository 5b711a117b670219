"""Search path: the folders in which profiles and studies are found, the working folder before the shipped ones."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from revconsole.errors import ProfileError, UnknownName
from revconsole.records.files.toml_file import read_table
from revconsole.records.settings import study
from revconsole.records.settings.study import Study
from revconsole.records.settings.words import COMMAND_LINE

PACKAGE = Path(__file__).resolve().parent.parent.parent
UNREADABLE = "(not a readable profile)"
SETTING = re.compile(r"[\w.]+=")
"""How a setting begins that stands where a name is to stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentFile:
    """An experiment on the search path: its name, its title (or what is wrong with it), its file."""

    name: str
    title: str
    path: Path
    sweep: bool = False
    """Whether the experiment has more than one run, or a table of a study."""

    @property
    def own(self) -> bool:
        """Whether the file belongs to the user rather than to revconsole."""
        return not self.path.is_relative_to(shipped())


def folders() -> list[Path]:
    """Folders that are searched for profiles, in order of precedence.

    Shipped profiles lie inside an installed wheel, or beside the package in a clone.
    """
    return [Path.cwd(), Path.cwd() / "profiles", shipped()]


def study_folders() -> list[Path]:
    """Additional folders that are searched for studies: `studies` in each folder of profiles."""
    return [folder / "studies" for folder in folders()[1:]]


def shipped() -> Path:
    """The folder of the shipped profiles; in a clone it may be the working folder's own."""
    inside, beside = PACKAGE / "_profiles", PACKAGE.parent / "profiles"
    return inside if inside.is_dir() else beside


def profiles() -> list[ExperimentFile]:
    """Every profile that can be named, the user's own first. In the working folder only TOML files with a title count."""
    return _ordered(_experiments(folders()))


def studies() -> list[ExperimentFile]:
    """Every experiment with several runs, and every file in a folder of studies; the user's own first."""
    folders_of_studies = {*study_folders()}
    return _ordered(
        entry
        for entry in _all_experiments()
        if entry.sweep or entry.path.parent in folders_of_studies
    )


def find(name: str, kind: str = "profile") -> Study:
    """The experiment with that name or path. Raises ProfileError, and UnknownName for a name of this `kind`."""
    return study.load(path_of(name, kind))


def path_of(name: str, kind: str = "profile") -> Path:
    """The file that a name or path refers to. Raises UnknownName, and ProfileError for a setting in its place."""
    if name.endswith(".toml") or "/" in name:
        return Path(name).expanduser()
    for folder in (*folders(), *study_folders()):
        if (folder / f"{name}.toml").is_file():
            return folder / f"{name}.toml"
    if SETTING.match(name):
        why = f"is missing before {name}; `revconsole profiles` lists them"
        raise ProfileError(COMMAND_LINE, kind.upper(), why)
    raise UnknownName(kind, name, {entry.name for entry in _all_experiments()})


def known(name: str) -> bool:
    """Whether a name refers to an experiment, or is a path."""
    try:
        path_of(name)
    except (UnknownName, ProfileError):
        return False
    return True


def _all_experiments() -> Iterable[ExperimentFile]:
    return _experiments([*folders(), *study_folders()])


def _experiments(places: Iterable[Path]) -> Iterator[ExperimentFile]:
    """The experiments in some folders; the first of each name."""
    names: set[str] = set()
    for folder in places:
        for path in sorted(folder.glob("*.toml")) if folder.is_dir() else []:
            title, sweep = _heading(path)
            if folder == Path.cwd() and title in {"", UNREADABLE}:
                continue
            if path.stem not in names:
                names.add(path.stem)
                yield ExperimentFile(name=path.stem, title=title, path=path, sweep=sweep)


def _ordered(entries: Iterable[ExperimentFile]) -> list[ExperimentFile]:
    return sorted(entries, key=lambda entry: (not entry.own, entry.name))


def _heading(path: Path) -> tuple[str, bool]:
    """(title of a file, whether it is a sweep)."""
    try:
        changed = path.stat()
    except OSError:
        return UNREADABLE, False
    return _read(path, changed.st_mtime_ns, changed.st_size)


@lru_cache(maxsize=1024)
def _read(path: Path, _changed: int, _size: int) -> tuple[str, bool]:
    """(title, whether it is a sweep), cached per state of the file, because a screen asks every second."""
    try:
        content = read_table(path)
    except ProfileError:
        return UNREADABLE, False
    return study.heading(content), study.is_sweep(content)
