"""Beside: the runs that are listed with those of a store: what `--also` and the option `also` name."""

from collections.abc import Sequence
from pathlib import Path

from revconsole.errors import ProfileError
from revconsole.records.foreign.far.mirror import SCHEME, Mirror, far_folder
from revconsole.records.foreign.others import Others, SourceFolder

LOOK_SECONDS = 0.3
"""How long the console reads of one run at one look: a long log comes in parts, and the others are there meanwhile."""


def others_of(texts: Sequence[str], *, console: bool) -> Others | None:
    """The runs in these folders, of this machine or of `ssh://HOST/FOLDER`; None without any. Raises ProfileError for what is none.

    console: whether a folder of another machine may come later, and a long log in parts.
    """
    if not texts:
        return None
    sources = [_source(text, wait=not console) for text in dict.fromkeys(texts)]
    return Others(sources, seconds=LOOK_SECONDS) if console else Others(sources)


def _source(text: str, *, wait: bool) -> SourceFolder:
    if text.startswith(SCHEME):
        mirror = Mirror(far_folder(text), wait=wait)
        return SourceFolder(text, mirror.folder, mirror)
    if "://" in text:
        raise ProfileError("--also", text, f"should be a folder, or {SCHEME}HOST/FOLDER")
    folder = Path(text).expanduser()
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "is not there"
        raise ProfileError(
            "--also", text, f"{what}; name a folder with runs, of this or another tool"
        )
    return SourceFolder(text, folder.resolve())
