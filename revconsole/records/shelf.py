"""Shelf: where profiles and studies are found. The working folder first, then those that came with revconsole."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from revconsole.errors import UnknownName
from revconsole.records import study as studies
from revconsole.records.profile import Profile, load
from revconsole.records.study import Study

PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelved:
    """One profile or study on the shelf: what to call it, its title (or what is wrong with it), its file."""

    name: str
    title: str
    path: Path


def folders() -> list[Path]:
    """Where profiles are looked for, first come first served.

    The shipped ones lie inside an installed wheel, or else beside the package in a clone.
    """
    return [Path.cwd(), Path.cwd() / "profiles", shipped()]


def shipped() -> Path:
    """Where the profiles that came with revconsole lie; in a clone that may be the working folder's own."""
    inside, beside = PACKAGE / "_profiles", PACKAGE.parent / "profiles"
    return inside if inside.is_dir() else beside


def shelved() -> list[Shelved]:
    """Every profile that can be named, by name. In the working folder itself only TOML with a title counts."""
    found: dict[str, Shelved] = {}
    for folder in folders():
        for path in sorted(folder.glob("*.toml")) if folder.is_dir() else []:
            title = _title(path)
            if title or folder != Path.cwd():
                found.setdefault(path.stem, Shelved(name=path.stem, title=title, path=path))
    return sorted(found.values(), key=lambda entry: entry.name)


def find(name: str) -> Profile:
    """The profile of that name, or at that path. Raises ProfileError or UnknownName."""
    if name.endswith(".toml") or "/" in name:
        return load(Path(name).expanduser())
    for folder in folders():
        path = folder / f"{name}.toml"
        if path.is_file():
            return load(path)
    raise UnknownName("profile", name, [entry.name for entry in shelved()])


def study_folders() -> list[Path]:
    """Where studies are looked for, first come first served: in `studies` of each profiles' folder."""
    here, *others = folders()
    return [here, *(folder / "studies" for folder in others)]


def shelved_studies() -> list[Shelved]:
    """Every study that can be named, by name. In the working folder itself only TOML with [study] counts."""
    found: dict[str, Shelved] = {}
    for folder in study_folders():
        for path in sorted(folder.glob("*.toml")) if folder.is_dir() else []:
            title = _title(path, "study")
            if title or folder != Path.cwd():
                found.setdefault(path.stem, Shelved(name=path.stem, title=title, path=path))
    return sorted(found.values(), key=lambda entry: entry.name)


def find_study(name: str) -> Study:
    """The study of that name, or at that path. Raises ProfileError or UnknownName."""
    if name.endswith(".toml") or "/" in name:
        return studies.load(Path(name).expanduser())
    known = shelved_studies()
    for entry in known:
        if entry.name == name:
            return studies.load(entry.path)
    raise UnknownName("study", name, [entry.name for entry in known])


def _title(path: Path, table: str = "") -> str:
    """The title at the top of a file, or in one of its tables."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        inner = content.get(table, {}) if table else content
        title = inner.get("title", "") if isinstance(inner, dict) else ""
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return "(not a readable profile)" if path.parent != Path.cwd() else ""
    return title if isinstance(title, str) else ""
