"""Layer files: the modules of models as a table for a thesis: LaTeX, Markdown or CSV, by the suffix of the file."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from revconsole.errors import StoreError, UnknownName
from revconsole.lab.module_rows import HEADINGS, cells
from revconsole.lab.report.formats import as_csv, as_latex, as_markdown
from revconsole.lab.report.shown_table import Table
from revconsole.lab.writable import require_folder_of
from revconsole.records.findings.modules import ModuleCost

NOTE = (
    "Parameters and multiply-adds of a module exclude the modules inside it; outputs are for one image; times is the number "
    "of identical modules."
)


def refuse_target(path: Path | None) -> None:
    """Raise UnknownName for a suffix that no table is written as, and StoreError for a folder that is missing."""
    if path is None:
        return
    if path.suffix not in WRITERS:
        raise UnknownName(
            "format", path.suffix.removeprefix(".") or path.name, ["tex", "md", "csv"]
        )
    require_folder_of(path)


def write_layers(path: Path, names: Sequence[str], models: Sequence[Sequence[ModuleCost]]) -> Path:
    """Write a table for each model; in CSV all are one, with the model in front. Raises as `refuse_target`."""
    refuse_target(path)
    try:
        path.write_text(WRITERS[path.suffix](names, models), encoding="utf-8", newline="")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from None
    return path


def layer_tables(names: Sequence[str], models: Sequence[Sequence[ModuleCost]]) -> list[Table]:
    """A table for each model, with a row for each kind of module."""
    return [
        Table(
            caption=f"Layers of {name}",
            headings=HEADINGS,
            rows=tuple(tuple(row) for row in cells(modules)),
            notes=(NOTE,),
        )
        for name, modules in zip(names, models, strict=True)
    ]


def _latex(names: Sequence[str], models: Sequence[Sequence[ModuleCost]]) -> str:
    shown = [
        as_latex.tabular(t, f"layers-{n}") for n, t in enumerate(layer_tables(names, models), 1)
    ]
    return "\n\n".join([as_latex.PACKAGES, *shown]) + "\n"


def _markdown(names: Sequence[str], models: Sequence[Sequence[ModuleCost]]) -> str:
    shown = [line for table in layer_tables(names, models) for line in as_markdown.tabular(table)]
    return "\n\n".join(shown) + "\n"


def _csv(names: Sequence[str], models: Sequence[Sequence[ModuleCost]]) -> str:
    headings = ("model", "module", "kind", "output", "parameters", "multiply-adds")
    rows: list[list[str | int | float | None]] = [
        [name, m.name, m.kind, "×".join(map(str, m.outputs[1:])), m.parameters, m.multiply_adds]
        for name, modules in zip(names, models, strict=True)
        for m in modules
    ]
    return as_csv.written(headings, rows)


WRITERS: Mapping[str, Callable[[Sequence[str], Sequence[Sequence[ModuleCost]]], str]] = {
    ".tex": _latex, ".md": _markdown, ".csv": _csv,
}  # fmt: skip
