"""A report as Markdown for GitHub and Pandoc."""

import re
from collections.abc import Sequence
from urllib.parse import quote

from revconsole.lab.report.document import Document
from revconsole.lab.report.shown_table import Table
from revconsole.records.printable import one_line

SUFFIX = "md"
LIMIT = 40_000
MEANT = re.compile(r"([\\`*_{}\[\]<>|#$~^])")
"""Characters that Markdown interprets, with TeX formulas on GitHub and Pandoc's extensions."""


def render(document: Document) -> str:
    """The whole report."""
    parts = [
        f"# {escape(document.results.title)}",
        *(f"**{word}:** {escape(text)}" for word, text in document.facts),
        *tabular(document.table),
        *(tabular(document.settings) if document.settings else []),
        *(tabular(document.trials) if document.trials else []),
        "## Methods",
        escape(document.methods),
    ]
    for figure in document.figures:
        if path := figure.first("svg", "png"):
            parts += [f"![{escape(figure.caption)}]({quote(str(path))})", escape(figure.caption)]
    parts += [escape(sentence) for sentence in document.left_out]
    if document.read or document.layers:
        parts.append("## Appendix")
    if document.read:
        parts.append(f"**What was read:** {escape(document.read)}")
    parts += [part for shown in document.layers for part in tabular(shown)]
    return "\n\n".join(parts) + "\n"


def tabular(shown: Table) -> list[str]:
    """A table as paragraphs: caption, grid, notes."""
    grid = _grid(shown)
    return [f"**Table:** {escape(shown.caption)}", grid, *map(escape, shown.notes)]


def escape(text: str) -> str:
    """Text on one line, escaped for Markdown and HTML."""
    plain = one_line(text, LIMIT).replace("&", "&amp;")
    return re.sub(r"^([-+]|\d+[.)])(?=\s)", r"\\\1", MEANT.sub(r"\\\1", plain))


def _grid(shown: Table) -> str:
    others = len(shown.headings) - 1
    lines = [_cells(shown.headings), _line(["---", *["---:"] * others])]
    for group, row in shown.grouped:
        if group:
            lines.append(_line([f"**{escape(group)}**", *[""] * others]))
        lines.append(_cells(row))
    return "\n".join(lines)


def _cells(cells: Sequence[str]) -> str:
    return _line([escape(cell) for cell in cells])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
