"""Where experiments are found, profiles and studies alike. The working folder first, then what came with revconsole."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from revconsole.errors import ProfileError, UnknownName
from revconsole.records.files.toml_file import read_table
from revconsole.records.settings import study as studies
from revconsole.records.settings.study import Study

PACKAGE = Path(__file__).resolve().parent.parent.parent
UNREADABLE = "(not a readable profile)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelved:
    """One experiment on the shelf: what to call it, its title (or what is wrong with it), its file."""

    name: str
    title: str
    path: Path
    sweep: bool = False
    """Whether it makes more than one run, or calls itself a study."""

    @property
    def own(self) -> bool:
        """Whether it is the user's, or came with revconsole."""
        return not self.path.is_relative_to(shipped())


def folders() -> list[Path]:
    """Where profiles are looked for, first come first served.

    The shipped ones lie inside an installed wheel, or else beside the package in a clone.
    """
    return [Path.cwd(), Path.cwd() / "profiles", shipped()]


def study_folders() -> list[Path]:
    """Where studies are looked for as well: in `studies` of each profiles' folder."""
    return [folder / "studies" for folder in folders()[1:]]


def shipped() -> Path:
    """Where the profiles that came with revconsole lie; in a clone that may be the working folder's own."""
    inside, beside = PACKAGE / "_profiles", PACKAGE.parent / "profiles"
    return inside if inside.is_dir() else beside


def shelved() -> list[Shelved]:
    """Every profile that can be named, the user's own first. In the working folder itself only TOML with a title counts."""
    return _ordered(_found(folders()))


def shelved_studies() -> list[Shelved]:
    """Every experiment of several runs that can be named, and every file among the studies; the user's own first."""
    among = {*study_folders()}
    return _ordered(each for each in _every() if each.sweep or each.path.parent in among)


def find(name: str, kind: str = "profile") -> Study:
    """The experiment of that name, or at that path. Raises ProfileError, or UnknownName of some kind."""
    return studies.load(path_of(name, kind))


def path_of(name: str, kind: str = "profile") -> Path:
    """The file that a name means, or the path that it is. Raises UnknownName, of some kind."""
    if name.endswith(".toml") or "/" in name:
        return Path(name).expanduser()
    for folder in (*folders(), *study_folders()):
        if (folder / f"{name}.toml").is_file():
            return folder / f"{name}.toml"
    raise UnknownName(kind, name, {entry.name for entry in _every()})


def known(name: str) -> bool:
    """Whether a name is that of an experiment, or a path to one."""
    try:
        path_of(name)
    except UnknownName:
        return False
    return True


def _every() -> Iterable[Shelved]:
    return _found([*folders(), *study_folders()])


def _found(places: Iterable[Path]) -> Iterator[Shelved]:
    """The experiments in some folders; of a name the first."""
    names: set[str] = set()
    for folder in places:
        for path in sorted(folder.glob("*.toml")) if folder.is_dir() else []:
            title, sweep = _heading(path)
            if folder == Path.cwd() and title in {"", UNREADABLE}:
                continue
            if path.stem not in names:
                names.add(path.stem)
                yield Shelved(name=path.stem, title=title, path=path, sweep=sweep)


def _ordered(entries: Iterable[Shelved]) -> list[Shelved]:
    return sorted(entries, key=lambda entry: (not entry.own, entry.name))


def _heading(path: Path) -> tuple[str, bool]:
    """The title of a file, and whether it is a sweep."""
    try:
        changed = path.stat()
    except OSError:
        return UNREADABLE, False
    return _read(path, changed.st_mtime_ns, changed.st_size)


@lru_cache(maxsize=1024)
def _read(path: Path, _changed: int, _size: int) -> tuple[str, bool]:
    """The same, read once for each state of the file: a screen asks every second."""
    try:
        content = read_table(path)
    except ProfileError:
        return UNREADABLE, False
    return studies.heading(content), studies.is_sweep(content)
