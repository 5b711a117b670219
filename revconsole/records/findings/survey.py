"""Survey: which blocks of one library model can be rewired, and the cache file for a whole library."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import platformdirs

from revconsole import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """The rewirable blocks of one model.

    family: file of the library that defines it. blocks: number of blocks wired by a scheme that accepts any block;
    blocks_of_two: by a scheme that needs attention and MLP apart; blocks_joined: by one that also concatenates both
    streams. stacks: path → number of blocks, for any block. left: path → reason why it stays unwired. The field names
    are keys of the cache file.
    """

    model: str
    family: str
    blocks: int = 0
    blocks_of_two: int = 0
    blocks_joined: int = 0
    stacks: Mapping[str, int] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)


def kept_file(library: str) -> Path:
    """Path of the survey cache for one version of the library and of revconsole."""
    return platformdirs.user_cache_path("revconsole") / f"models-{library}-{__version__}.json"


def kept(path: Path) -> dict[str, Surveyed]:
    """The cached surveys by model; empty if the file is missing or damaged."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {entry["model"]: Surveyed(**entry) for entry in entries}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def keep(path: Path, surveys: Sequence[Surveyed]) -> None:
    """Replace the cache file; does nothing if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps([asdict(survey) for survey in surveys]), encoding="utf-8")
        part.replace(path)
    except OSError:
        return
