"""Somebody's own code: finding the function that makes a model, calling it, and blaming it for what it raises."""

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

import revconsole
from revconsole.errors import ProfileError, RevconsoleError, UnknownName
from revconsole.records.child import working_folder

PREFIX = "python:"
TRACEBACK = "verify-traceback.txt"
WHERE = "command line"


def made(source: str, *, where: str = WHERE, key: str = "", **offered: int) -> nn.Module:
    """The model that `package.module:function`, with or without `python:` before it, returns.

    offered: what the function is given by name, where it asks for it. where, key: what to correct if the source
    names no function.
    Raises ProfileError or UnknownName for such a source, and RevconsoleError if no module is returned.
    """
    path, _, name = source.removeprefix(PREFIX).rpartition(":")
    key = key or source
    if not path or not name:
        raise ProfileError(where, key, f"write {PREFIX}package.module:function")
    make = _function(path, name, where=where, key=key)
    model = make(**{word: value for word, value in offered.items() if word in _asked(make)})
    if not isinstance(model, nn.Module):
        raise RevconsoleError(
            f"{path}:{name} returns a {type(model).__name__}, and what is audited is a torch.nn.Module"
        )
    return model


@contextmanager
def working_folder_importable() -> Iterator[None]:
    """The folder one works in comes first where modules are looked for."""
    before = list(sys.path)
    sys.path.insert(0, str(working_folder()))
    try:
        yield
    finally:
        sys.path[:] = before


@contextmanager
def blamed(source: str) -> Iterator[None]:
    """Turn what somebody's own code raises into a sentence with its place, and keep the traceback."""
    try:
        yield
    except RevconsoleError:
        raise
    except Exception as error:
        saved = ""
        with suppress(OSError):
            (working_folder() / TRACEBACK).write_text(traceback.format_exc(), encoding="utf-8")
            saved = f"; the traceback is in {TRACEBACK}"
        reason = " ".join(str(error).split())[:200]
        raise RevconsoleError(
            f"{source.removeprefix(PREFIX)} raised {type(error).__name__}: {reason}{_place(error)}{saved}"
        ) from error


def _function(path: str, name: str, *, where: str, key: str) -> Callable[..., Any]:
    try:
        module = import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{path}.".startswith(f"{error.name}."):
            raise
        raise ProfileError(
            where,
            key,
            f"there is no module {error.name!r} in {working_folder()} or among those installed",
        ) from None
    make: Callable[..., Any] | None = getattr(module, name, None)
    if not callable(make):
        own = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        raise UnknownName(f"function of {path}", name, own)
    return make


def _asked(make: Callable[..., Any]) -> set[str]:
    """Names of the arguments that a function takes; none where it does not say."""
    try:
        return set(inspect.signature(make).parameters)
    except (TypeError, ValueError):
        return set()


def _place(error: Exception) -> str:
    """The last line of the traceback that is neither ours nor torch's."""
    skipped = tuple(str(Path(module.__file__ or "").parent) for module in (revconsole, torch))
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [f for f in frames if not f.filename.startswith((*skipped, "<frozen"))]
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({Path(error.filename).name}, line {error.lineno})"
    return (
        f" ({Path(theirs[-1].filename).name}, line {theirs[-1].lineno}: {theirs[-1].line})"
        if theirs
        else ""
    )
