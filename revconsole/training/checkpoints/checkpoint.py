"""Checkpoints of one run: complete or absent, even if writing is interrupted.

    checkpoints/step-000001234/  model.safetensors   weights and buffers, by timm's names
                                 state.pt            optimiser, scaler, progress: plain types and tensors
                                 manifest.json       size and SHA-256 of both, written last

A checkpoint is written into a hidden folder, forced to disk, and appears by one rename. The newest is the newest
folder whose files match its manifest. Loading executes no code.
"""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from revconsole.errors import StoreError
from revconsole.records.files import bounded
from revconsole.records.files.bounded import RECORD_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.files.shared import create, force, make_folder, set_mode
from revconsole.reversible.nested import tensors
from revconsole.training.machine.shortage import ran_out
from revconsole.training.step.progress import Progress

FORMAT = 1
NAME = re.compile(r"step-(\d{9})")
MEBIBYTE = 2**20
WEIGHTS, STATE, MANIFEST = "model.safetensors", "state.pt", "manifest.json"

OS_ERROR = re.compile(r"os error (\d+)")
"""How safetensors states the number of a system error."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

State = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A verified checkpoint, on the CPU."""

    step: int
    weights: dict[str, Tensor]
    state: State


class NotSaved(StoreError):  # noqa: N818  the name says what happened
    """A checkpoint could not be written. why: the reason in one line, with needed and free space."""

    def __init__(self, step: int, folder: Path, why: str) -> None:
        self.why = why
        super().__init__(
            f"cannot write the checkpoint of step {step} in {folder}: {why}; make room, "
            "then `revconsole resume` goes on from the one before"
        )


class DamagedCheckpoint(Exception):  # noqa: N818  the name says what happened
    """A checkpoint differs from what was written; the message names the file and the fault."""


class CheckpointStore:
    """The checkpoints of one run. Only its trainer writes."""

    def __init__(self, run_folder: Path) -> None:
        self.folder = run_folder / "checkpoints"

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, intact or damaged, newest first."""
        try:
            names = bounded.folders(self.folder)
        except FileNotFoundError:
            return []
        matches = (NAME.fullmatch(name) for name in names)
        return sorted((int(match.group(1)) for match in matches if match), reverse=True)

    def path(self, step: int) -> Path:
        """The folder of the checkpoint of a step."""
        return self.folder / f"step-{step:09d}"

    def save(self, step: int, *, weights: Mapping[str, Tensor], state: State) -> Path:
        """Write the checkpoint of a step, replacing a damaged one; returns its folder.

        state: plain types and tensors only. Raises NotSaved if it cannot be written, leaving nothing behind. Writing
        is not started without enough space, so that the log can still be written.
        """
        hidden, final = self.folder / f".tmp-{os.getpid()}-{step:09d}", self.path(step)
        needed = sum(tensor.nbytes for tensor in tensors([weights, state]))
        try:
            self._sweep()
            # Parents are not created, so that a deleted run stays deleted.
            make_folder(self.folder, exist_ok=True)
            make_folder(hidden)
            _require_room(self.folder, needed)
            # A copy per tensor, because safetensors refuses tensors that share memory.
            copies = {k: v.detach().to("cpu", copy=True).contiguous() for k, v in weights.items()}
            save_file(copies, hidden / WEIGHTS)
            # Given a path, torch would store its name in the file.
            with (hidden / STATE).open("wb") as file:
                torch.save(state, file)
            _write_manifest(hidden, step)
            shutil.rmtree(final, ignore_errors=True)
            hidden.rename(final)
            _force(self.folder)
        except (OSError, RuntimeError, MemoryError, SafetensorError) as error:
            shutil.rmtree(hidden, ignore_errors=True)
            why = _why(error, self.folder, needed)
            raise NotSaved(step, self.folder, why) from error
        return final

    def load(self, step: int) -> Loaded:
        """Read and verify the checkpoint of a step. Raises DamagedCheckpoint."""
        folder = self.path(step)
        try:
            _verify(folder, step)
            weights = load_file(folder / WEIGHTS)
            state = torch.load(folder / STATE, map_location="cpu", weights_only=True)
        except DamagedCheckpoint:
            raise
        except MemoryError:  # not a fault of the checkpoint
            raise
        except Exception as error:  # a malicious file can make torch raise anything
            raise DamagedCheckpoint(
                f"{folder.name}: {type(error).__name__} {error}".rstrip()
            ) from error
        if not isinstance(state, dict):
            raise DamagedCheckpoint(f"{folder.name}: {STATE} holds no state")
        return Loaded(step=step, weights=weights, state=state)

    def best(self) -> Loaded:
        """The checkpoint that the run is judged by: the best named by the newest intact one, or that one itself.

        Raises StoreError if none is left.
        """
        for step in self.steps():
            newest = self._intact(step)
            if newest is None:
                continue
            best = Progress.from_dict(newest.state["progress"]).best
            if best is None or best.step == step or best.step not in self.steps():
                return newest
            return self._intact(best.step) or newest
        raise StoreError("it has no readable checkpoint")

    def _intact(self, step: int) -> Loaded | None:
        """The checkpoint of a step; None if it is damaged."""
        try:
            return self.load(step)
        except DamagedCheckpoint:
            return None

    def keep_only(self, steps: Iterable[int]) -> None:
        """Delete all checkpoints except those of the given steps."""
        kept_steps = set(steps)
        for step in self.steps():
            if step not in kept_steps:
                shutil.rmtree(self.path(step), ignore_errors=True)

    def set_aside(self, step: int) -> None:
        """Rename a damaged checkpoint, so that it is ignored but can be examined."""
        aside = self.folder / f"damaged-{step:09d}"
        shutil.rmtree(aside, ignore_errors=True)
        self.path(step).rename(aside)

    def _sweep(self) -> None:
        """Remove unfinished folders of killed writers, but not of one that still writes."""
        for path in self.folder.glob(".tmp-*"):
            if not _still_written(path):
                shutil.rmtree(path, ignore_errors=True)


def _write_manifest(folder: Path, step: int) -> None:
    files = {}
    for name in (WEIGHTS, STATE):
        path = folder / name
        set_mode(path)
        _force(path)
        digest, size = _measured(path, path.stat().st_size)
        files[name] = {"bytes": size, "sha256": digest}
    manifest = folder / MANIFEST
    body = {"format": FORMAT, "step": step, "files": files}
    create(manifest, json.dumps(body, indent=1).encode())
    _force(folder)


def _verify(folder: Path, step: int) -> None:
    """Raise DamagedCheckpoint unless every file matches the manifest."""
    try:
        body = json.loads(bounded.read(folder / MANIFEST, RECORD_BYTES))
        files = {
            name: (body["files"][name]["bytes"], body["files"][name]["sha256"])
            for name in (WEIGHTS, STATE)
        }
        claimed, version = body["step"], body["format"]
    except UNREADABLE as error:
        raise DamagedCheckpoint(f"{folder.name}: its manifest cannot be read") from error
    if claimed != step or version != FORMAT:
        raise DamagedCheckpoint(
            f"{folder.name}: its manifest is of step {claimed}, format {version}"
        )
    for name, (size, digest) in files.items():
        try:
            actual, length = _measured(folder / name, int(size))
        except (OSError, ValueError, TypeError) as error:
            raise DamagedCheckpoint(f"{folder.name}: {name} cannot be read: {error}") from error
        if length != size:
            raise DamagedCheckpoint(f"{folder.name}: {name} is cut short")
        if actual != digest:
            raise DamagedCheckpoint(f"{folder.name}: the content of {name} has changed")


def _measured(path: Path, most: int) -> tuple[str, int]:
    """SHA-256 and length of a file of at most `most` bytes. Raises OSError."""
    with bounded.opened(path, most) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()


def _force(path: Path) -> None:
    """Force a file, or the entries of a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        force(descriptor)
    finally:
        os.close(descriptor)


def _still_written(hidden: Path) -> bool:
    """Whether the folder belongs to another running process, rather than a later one with the same pid."""
    try:
        pid, began = int(hidden.name.split("-")[1]), hidden.stat().st_mtime
        writer = psutil.Process(pid)
        return pid != os.getpid() and writer.create_time() <= began
    except (OSError, ValueError, IndexError, psutil.Error):
        return False


def _require_room(folder: Path, needed: int) -> None:
    """Raise OSError if the disk has fewer free bytes than needed."""
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _room(folder: Path, needed: int) -> str:
    """Needed and free space, in a clause."""
    text = f"it takes {needed / MEBIBYTE:,.1f} MiB"
    try:
        return f"{text} and {shutil.disk_usage(folder).free / MEBIBYTE:,.1f} MiB are free"
    except OSError:
        return text


def _why(error: Exception, folder: Path, needed: int) -> str:
    """The reason in one line; torch and safetensors wrap or hide the system's error."""
    space, text = _room(folder, needed), " ".join(str(error).split())[:120]
    if ran_out(error):
        return f"there is no memory for a copy of the weights, {space}"
    hidden = OS_ERROR.search(text)
    number = error.errno if isinstance(error, OSError) else int(hidden[1]) if hidden else None
    if number in FULL:
        return f"{os.strerror(number)}, {space}"
    if number is not None:
        return os.strerror(number)
    return f"the disk may be full ({text}), {space}"
