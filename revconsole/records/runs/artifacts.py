"""Artifacts: the files that a program kept in the folder of its run."""

from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from revconsole.records.files import bounded

FOLDER = "artifacts"
IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
MOST_BYTES = 1 << 24
"""Largest image that is decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file. changed: when, in seconds since 1970."""

    path: Path
    size: int
    changed: float

    @property
    def name(self) -> str:
        """Its name, which is data."""
        return self.path.name

    @property
    def is_image(self) -> bool:
        """Whether its name is that of an image of a size that is decoded."""
        return self.path.suffix.lower() in IMAGES and self.size <= MOST_BYTES


def kept(run_folder: Path) -> tuple[Artifact, ...]:
    """The artifacts of a run, the newest first; none where there is no folder of them. Links and hidden files are left out."""
    found = []
    try:
        names = [name for name in bounded.files(run_folder / FOLDER) if not name.startswith(".")]
    except OSError:
        return ()
    for name in names:
        path = run_folder / FOLDER / name
        try:
            status = path.lstat()
        except OSError:
            continue
        found.append(Artifact(path=path, size=status.st_size, changed=status.st_mtime))
    return tuple(sorted(found, key=attrgetter("changed", "name"), reverse=True))
