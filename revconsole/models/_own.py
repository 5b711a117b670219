"""Own code: finds and calls a user's function that makes a model, and attributes its errors to it."""

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
    """The model returned by `package.module:function`, with or without the prefix `python:`.

    offered: arguments passed by name if the function accepts them. where, key: named in the error if the source is no
    function. Raises ProfileError or UnknownName for such a source, and RevconsoleError if the result is no module.
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
    """A context in which the working folder comes first in the module search path."""
    before = list(sys.path)
    sys.path.insert(0, str(working_folder()))
    try:
        yield
    finally:
        sys.path[:] = before


@contextmanager
def blamed(source: str) -> Iterator[None]:
    """A context that turns errors of a user's code into a sentence with their place, and saves the traceback."""
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
    """Names of the arguments that a function accepts; empty if unknown."""
    try:
        return set(inspect.signature(make).parameters)
    except (TypeError, ValueError):
        return set()


def _place(error: Exception) -> str:
    """The last line of the traceback outside revconsole and torch, in brackets."""
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
