"""Artifacts: files and images that a program keeps in the folder of its run."""

import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from revconsole.recording.claimed import ClaimedRun
from revconsole.records.files.shared import READABLE, make_folder, set_mode
from revconsole.records.logs.events import Event, Logged
from revconsole.records.runs.artifacts import FOLDER

LONGEST_NAME = 120
PLANES = {1, 3}
"""Channels that an image may have."""
MIB = 2**20


def copied(source: Path, name: str | None) -> Callable[[ClaimedRun], Event]:
    """Work that copies a file. Raises ValueError for a name that is none, when it is called."""
    called = file_name(name or source.name)

    def work(run: ClaimedRun) -> Event:
        if not source.is_file():
            raise ValueError(f"{source} is no file")
        target = _written(run, called, lambda part: shutil.copyfile(source, part))
        text = f"kept {FOLDER}/{called} ({target.stat().st_size / MIB:.1f} MiB)"
        return Logged(text=text)

    return work


def drawn(name: str, image: Any, step: int) -> Callable[[ClaimedRun], Event]:
    """Work that writes an image. What may change meanwhile is copied now. Raises TypeError and ValueError for what is no image."""
    called = file_name(f"{name}-{step}.png")
    save = _saver(image)

    def work(run: ClaimedRun) -> Event:
        _written(run, called, save)
        return Logged(text=f"image {FOLDER}/{called}")

    return work


def file_name(text: str) -> str:
    """A file's name of a text: its last part, of letters, digits and `._+=-`. Raises ValueError if nothing is left."""
    name = re.sub(r"[^\w.+=-]+", "-", Path(str(text)).name).strip(".-")[-LONGEST_NAME:]
    if not name:
        raise ValueError(f"{text!r} is no name of a file")
    return name


def _written(run: ClaimedRun, name: str, write: Callable[[Path], object]) -> Path:
    """A file of that name, whole or not at all. Raises as `write` does; a link in its place is replaced, not followed."""
    folder = run.attempt.run_folder / FOLDER
    make_folder(folder, exist_ok=True)
    part = folder / f".part-{secrets.token_hex(4)}"
    try:
        write(part)
        set_mode(part, READABLE)
        return part.replace(folder / name)
    finally:
        part.unlink(missing_ok=True)


def _saver(image: Any) -> Callable[[Path], None]:
    """What writes the image to a path, as PNG."""
    if isinstance(image, str | Path):
        source = Path(image).absolute()
        return lambda target: _save(_opened(source), target)
    if hasattr(image, "save") and hasattr(image, "mode"):  # of PIL
        kept = image.copy()
        return lambda target: _save(kept, target)
    pixels = _pixels(image)
    return lambda target: _save(_of_pixels(pixels), target)


def _pixels(image: Any) -> Any:
    """The image as an array of its own, uint8, of shape (H, W) or (H, W, 3)."""
    import numpy as np  # only where an image is recorded

    array = np.array(image.detach().cpu().numpy() if hasattr(image, "detach") else image)
    if array.ndim == 3 and array.shape[0] in PLANES and array.shape[2] not in PLANES:
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in {2, 3} or (array.ndim == 3 and array.shape[2] not in PLANES):
        raise ValueError(f"an array of shape {array.shape} is no image")
    if array.dtype != np.uint8:
        array = (np.clip(array.astype(np.float64), 0.0, 1.0) * 255).round().astype(np.uint8)
    return array


def _of_pixels(pixels: Any) -> Any:
    from PIL import Image  # as above

    return Image.fromarray(pixels)


def _opened(path: Path) -> Any:
    from PIL import Image  # as above

    return Image.open(path)


def _save(image: Any, target: Path) -> None:
    shown = image if image.mode in {"1", "L", "LA", "P", "RGB", "RGBA"} else image.convert("RGB")
    shown.save(target, format="PNG")
