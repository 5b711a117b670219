"""Catalogue: the names of schemes, architectures and datasets, from source files that are parsed and never imported."""

import ast
from functools import cache
from pathlib import Path

from revconsole.errors import UnknownName
from revconsole.records.datasets.facts import DatasetFacts

PACKAGE = Path(__file__).resolve().parent.parent.parent


def schemes() -> dict[str, str]:
    """First docstring line of every scheme, by name."""
    return _titles(PACKAGE / "reversible" / "schemes")


def architectures() -> dict[str, str]:
    """First docstring line of every architecture, by name."""
    return _titles(PACKAGE / "models")


@cache
def datasets() -> dict[str, DatasetFacts]:
    """Facts of every dataset, by name."""
    folder = PACKAGE / "data"
    facts = {path.stem: _facts(path) for path in _members(folder)}
    return {name: facts_of_one for name, facts_of_one in facts.items() if facts_of_one is not None}


def dataset(name: str) -> DatasetFacts:
    """Facts of one dataset. Raises UnknownName with the nearest name."""
    try:
        return datasets()[name]
    except KeyError:
        raise UnknownName("dataset", name, datasets()) from None


def _members(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


@cache
def _titles(folder: Path) -> dict[str, str]:
    return {path.stem: _title(path) for path in _members(folder)}


def _title(path: Path) -> str:
    document = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return document.partition("\n")[0]


def _facts(path: Path) -> DatasetFacts | None:
    """The arguments of `FACTS = DatasetFacts(...)`, which must be literals; None if the file has none."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="FACTS")], value=ast.Call(keywords=arguments)):
                values = {a.arg: ast.literal_eval(a.value) for a in arguments if a.arg}
                return DatasetFacts(**values)
    return None
