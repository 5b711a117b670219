"""A model of one's own, looked up without running it: whether its file is there, can be parsed, and has the function."""

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
"""Of a source file that is looked into."""
ANYTHING = {"exec", "eval", "globals", "setattr", "vars"}
"""What may put any name into a module."""


def refuse_missing(source: str, *, where: str) -> None:
    """Raise ProfileError or UnknownName unless `package.module:function` may well be there.

    where: what to correct. What only running it would tell is not judged.
    """
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
        made = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        raise UnknownName(f"function of {path}", name, {n for n in made if not n.startswith("_")})


def _file(path: str, where: str) -> Path | None:
    """The source file of a module; None where running something is the only way to tell. No package is run."""
    invalidate_caches()  # the file may be new
    top, *below = path.split(".")
    found = _spec(top)
    if found is None:
        raise _absent(top, where)
    for depth, word in enumerate(below, start=2):
        if found.submodule_search_locations is None:
            raise _absent(".".join([top, *below][:depth]), where)
        inside = found.submodule_search_locations
        found = PathFinder.find_spec(word, list(inside))
        if found is None:
            raise _absent(".".join([top, *below][:depth]), where)
    origin = found.origin
    return Path(origin) if origin and origin.endswith(".py") else None


def _spec(name: str) -> ModuleSpec | None:
    """A module of the working folder, or an installed one: whatever finds those is asked, and nothing imported."""
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
    """Every name that something in the file binds, however deep, and those that could bind any."""
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
