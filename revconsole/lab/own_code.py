"""Checks of a user's own model without running it: whether its file exists, can be parsed, and defines the function."""

import ast
from collections.abc import Iterator
from importlib import invalidate_caches
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

from revconsole.errors import ProfileError, UnknownName
from revconsole.records.child import working_folder

KEY = "model.function"
MOST_BYTES = 10_000_000
"""Largest source file that is parsed."""
ANYTHING = {"exec", "eval", "globals", "setattr", "vars"}
"""Names whose use means that a module may define any name."""


def refuse_missing(source: str, *, where: str) -> None:
    """Raise ProfileError or UnknownName unless `package.module:function` may exist. where: what to correct."""
    path, _, name = source.rpartition(":")
    file = _file(path, where)
    if file is None:
        return
    try:
        tree = ast.parse(file.read_bytes()[:MOST_BYTES], filename=str(file))
    except OSError as error:
        raise ProfileError(where, KEY, f"{file} cannot be read: {error.strerror}") from None
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        place = file.name if line is None else f"{file.name}, line {line}"
        reason = getattr(error, "msg", None) or str(error)
        raise ProfileError(where, KEY, f"{path} is not Python ({place}: {reason})") from None
    bound = set(_bound(tree))
    if name not in bound and not bound & ANYTHING and "*" not in bound:
        defined = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        raise UnknownName(
            f"function of {path}", name, {n for n in defined if not n.startswith("_")}
        )


def _file(path: str, where: str) -> Path | None:
    """The source file of a module; None if it can only be found by running code. No package is imported."""
    invalidate_caches()  # the file may be new
    top, *below = path.split(".")
    spec = _spec(top)
    if spec is None:
        raise _absent(top, where)
    for depth, word in enumerate(below, start=2):
        if spec.submodule_search_locations is None:
            raise _absent(".".join([top, *below][:depth]), where)
        inside = spec.submodule_search_locations
        spec = PathFinder.find_spec(word, list(inside))
        if spec is None:
            raise _absent(".".join([top, *below][:depth]), where)
    origin = spec.origin
    return Path(origin) if origin and origin.endswith(".py") else None


def _spec(name: str) -> ModuleSpec | None:
    """The spec of a module in the working folder or of an installed one, found without an import."""
    here = PathFinder.find_spec(name, [str(working_folder())])
    try:
        return here or find_spec(name)
    except ValueError:  # a module that does not know where it is from
        return None


def _absent(module: str, where: str) -> ProfileError:
    here = working_folder()
    return ProfileError(
        where, KEY, f"there is no module {module!r} in {here} or among those installed"
    )


def _bound(tree: ast.Module) -> Iterator[str]:
    """Yield every name that the file binds, at any depth; `*` if it may bind any name."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                yield "*" if name == "__getattr__" else name
            case ast.Name(id=name):
                yield name
            case ast.alias(name=name, asname=other):
                yield other or name.partition(".")[0]
