"""Cache: what was foreseen, in the user's cache folder, one small JSON file for each model, scheme and backward.

The key is a digest of what decides the memory of a step. Batch, accumulation, seed, learning rate, length and the data
are not in it, so changing them asks for no new trace. A damaged file counts as missing and is made again.
"""

import hashlib
import json
import os
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

import platformdirs
from pydantic import TypeAdapter, ValidationError

from revconsole import __version__
from revconsole.records import host
from revconsole.records.files import bounded
from revconsole.records.foresight.foresight import ORDER, Foresight, Kind, StepMemory
from revconsole.records.sections import Backward
from revconsole.records.sections.model import Python
from revconsole.records.settings.plan import Plan

FORMAT = 6
"""Number of the file format and of the way of tracing; another number is another key."""
NOT_OF_THE_MODEL = {"weights", "pretrained", "pretrained_sha256"}
"""Settings of a model that decide its numbers and not its memory."""
NOT_OF_THE_OPTIMIZER = {"learning_rate", "weight_decay"}
Kept = TypeVar("Kept")


def folder() -> Path:
    """The folder of the files; it may not exist yet."""
    return platformdirs.user_cache_path("revconsole") / "foresight"


def key(plan: Plan, backward: Backward, device: Kind) -> str | None:
    """The name of what decides the memory of a step; None for a user's own model. Raises DataUnavailable for a missing folder."""
    if isinstance(plan.model, Python):
        return None
    facts, train, data = plan.facts, plan.train, plan.data
    decides = {
        "format": FORMAT,
        "model": plan.model.model_dump(exclude=NOT_OF_THE_MODEL),
        "scheme": plan.scheme.model_dump(),
        "backward": backward,
        "device": [device, threads(plan) if device == "cpu" else None],
        "precision": train.precision,
        "optimizer": plan.optimizer.model_dump(exclude=NOT_OF_THE_OPTIMIZER),
        "objective": plan.objective.model_dump(),
        "image": [*sides(plan), facts.channels, facts.classes, data.views],
        "labels": [data.mixes, train.label_smoothing > 0],
        "train": [train.freeze, train.average is not None, train.clip is not None],
        "versions": versions(),
    }
    if train.ranks > 1:
        decides["ranks"] = [train.ranks, train.shard, train.sync_batchnorm]
    return digest(decides)


def sides(plan: Plan) -> tuple[int, ...]:
    """The side of square images, or height and width of others."""
    height, width = plan.image_shape
    return (height,) if height == width else (height, width)


def digest(decides: object) -> str:
    """The name of a file that depends on these values of JSON."""
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:32]


def threads(plan: Plan) -> list[str | int | None]:
    """What decides the number of threads of kernels on the CPU, which take other workspaces with other numbers of them."""
    given, ranks = os.environ.get("OMP_NUM_THREADS"), plan.train.ranks
    if ranks > 1:
        given = given or str(host.threads_of_rank(ranks))  # their launcher gives it to them
    return [plan.train.threads, given, os.cpu_count()]


@lru_cache(maxsize=1)
def versions() -> tuple[str, ...]:
    """Versions of revconsole, torch and timm, read without importing them."""
    return (__version__, *map(_version, ("torch", "timm")))


def known(plan: Plan, device: Kind = "cpu") -> Foresight | None:
    """What is known of a plan's memory; None if a backward that it allows was never traced. Raises as `key` does."""
    steps: dict[Backward, StepMemory] = {}
    left_out: dict[Backward, str] = {}
    for backward in ORDER:
        match read(key(plan, backward, device)):
            case None:
                return None
            case StepMemory() as step:
                steps[backward] = step
            case str(reason):
                left_out[backward] = reason
    return Foresight(device=device, steps=steps, left_out=left_out) if steps else None


def read(name: str | None) -> StepMemory | str | None:
    """The memory under a key, or why this backward is impossible; None if it is not there or damaged."""
    return read_as(_ADAPTER, name)


def read_as(kind: TypeAdapter[Kept], name: str | None) -> Kept | None:
    """The content of the file of a key; None if there is no key or file, or if the file is damaged."""
    if name is None:
        return None
    try:
        return kind.validate_json(bounded.read(folder() / f"{name}.json", bounded.RECORD_BYTES))
    except (OSError, ValidationError):
        return None


def keep(name: str | None, what: StepMemory | str) -> None:
    """Keep it under a key, or do nothing if there is none or the folder cannot be written."""
    write(name, _ADAPTER.dump_json(what))


def write(name: str | None, content: bytes) -> None:
    """Write the file of a key whole, or do nothing if there is no key or the folder cannot be written."""
    if name is None:
        return
    with suppress(OSError):
        folder().mkdir(parents=True, exist_ok=True)
        part = folder() / f"{name}.{os.getpid()}.part"
        part.write_bytes(content)
        part.replace(folder() / f"{name}.json")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


_ADAPTER: TypeAdapter[StepMemory | str] = TypeAdapter(StepMemory | str)
