"""A report as LaTeX, a fragment to be put into a thesis; needs booktabs and graphicx."""

import re
from collections.abc import Sequence

from revconsole.lab.report.document import Document, Drawn
from revconsole.records.printable import one_line

SUFFIX = "tex"
LIMIT = 4000
SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
    "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\symbol{34}", "`": r"\textasciigrave{}",
    "±": r"$\pm$", "×": r"$\times$", "–": "--", "−": r"$-$", "→": r"$\rightarrow$", "←": r"$\leftarrow$",
    "≤": r"$\leq$", "≥": r"$\geq$", "γ": r"$\gamma$", "α": r"$\alpha$", "β": r"$\beta$", "²": r"$^2$",
    "·": r"$\cdot$", "∞": r"$\infty$", "�": "?",
}  # fmt: skip
"""What LaTeX acts on, and what the usual fonts lack."""


def render(document: Document) -> str:
    """A table, a paragraph and figures, to be put into a document."""
    label = re.sub(r"[^a-zA-Z0-9-]", "-", document.results.name)
    parts = [
        "% Needs \\usepackage{booktabs} and \\usepackage{graphicx}.",
        _tabular(document, label),
        f"\\paragraph{{Methods.}} {escape(document.methods)}",
        *(_figure(figure, label) for figure in document.figures if figure.first("pdf", "png")),
    ]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text that means itself in LaTeX."""
    apart = one_line(text, LIMIT).split("--")  # two hyphens would make a dash
    return "-{}-".join("".join(SIGNS.get(sign, sign) for sign in part) for part in apart)


def _tabular(document: Document, label: str) -> str:
    shown = document.table
    lines = [_line(cells) for cells in (shown.headings, *shown.rows)]
    return "\n".join([
        "\\begin{table}[htbp]",
        "  \\centering",
        f"  \\caption{{{escape(shown.caption)}}}",
        f"  \\label{{tab:{label}}}",
        "  \\resizebox{\\linewidth}{!}{%",
        f"  \\begin{{tabular}}{{l{'r' * (len(shown.headings) - 1)}}}",
        "    \\toprule",
        f"    {lines[0]}",
        "    \\midrule",
        *(f"    {line}" for line in lines[1:]),
        "    \\bottomrule",
        "  \\end{tabular}}",
        "  \\par\\smallskip\\begin{minipage}{\\linewidth}\\footnotesize",
        *(f"  {escape(note)}" for note in shown.notes),
        "  \\end{minipage}",
        "\\end{table}",
    ])  # fmt: skip


def _line(cells: Sequence[str]) -> str:
    return f"{' & '.join(map(escape, cells))} \\\\"


def _figure(figure: Drawn, label: str) -> str:
    path = figure.first("pdf", "png")
    return "\n".join([
        "\\begin{figure}[htbp]",
        "  \\centering",
        f"  \\includegraphics[width=\\linewidth]{{{path.as_posix() if path else ''}}}",
        f"  \\caption{{{escape(figure.caption)}}}",
        f"  \\label{{fig:{label}-{figure.name}}}",
        "\\end{figure}",
    ])  # fmt: skip
