"""What the survey of one model found, and the file that keeps the surveys of a whole library."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import platformdirs

from revconsole import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """What of one model can be rewired.

    family: the file of the library that holds it. blocks: how many are wired by a scheme that takes
    any block; blocks_of_two: by one that needs attention and MLP apart; blocks_joined: if it also
    hands both streams on side by side. stacks: path → blocks, for any block. left: path → why not.
    """

    model: str
    family: str
    blocks: int = 0
    blocks_of_two: int = 0
    blocks_joined: int = 0
    stacks: Mapping[str, int] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)


def kept_file(library: str) -> Path:
    """Where the surveys of one version of the library by this version of revconsole are kept."""
    return platformdirs.user_cache_path("revconsole") / f"models-{library}-{__version__}.json"


def kept(path: Path) -> dict[str, Surveyed]:
    """The surveys in a file by model; none if it is missing or damaged, as they can be made again."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {entry["model"]: Surveyed(**entry) for entry in entries}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def keep(path: Path, surveys: Sequence[Surveyed]) -> None:
    """Replace the file; a cache that cannot be written is done without."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps([asdict(each) for each in surveys]), encoding="utf-8")
        part.replace(path)
    except OSError:
        return
