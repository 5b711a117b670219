"""Shelf: where profiles are found. The working folder first, then those that came with revconsole."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from revconsole.errors import UnknownName
from revconsole.records.profile import Profile, load

PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelved:
    """One profile on the shelf: what to call it, its title (or what is wrong with it), its file."""

    name: str
    title: str
    path: Path


def folders() -> list[Path]:
    """Where profiles are looked for, first come first served.

    The shipped ones lie inside an installed wheel, or else beside the package in a clone.
    """
    inside, beside = PACKAGE / "_profiles", PACKAGE.parent / "profiles"
    return [Path.cwd(), Path.cwd() / "profiles", inside if inside.is_dir() else beside]


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


def _title(path: Path) -> str:
    try:
        title = tomllib.loads(path.read_text(encoding="utf-8")).get("title", "")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return "(not a readable profile)" if path.parent != Path.cwd() else ""
    return title if isinstance(title, str) else ""
