"""A report as a LaTeX fragment for a thesis; needs booktabs and graphicx."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from revconsole.lab.report.document import Document, DrawnFigure
from revconsole.lab.report.shown_table import Table
from revconsole.records.printable import one_line

SUFFIX = "tex"
LIMIT = 40_000
SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
    "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\symbol{34}", "`": r"\textasciigrave{}",
    "±": r"$\pm$", "×": r"$\times$", "–": "--", "−": r"$-$", "→": r"$\rightarrow$", "←": r"$\leftarrow$",
    "≤": r"$\leq$", "≥": r"$\geq$", "γ": r"$\gamma$", "α": r"$\alpha$", "β": r"$\beta$", "²": r"$^2$",
    "·": r"$\cdot$", "∞": r"$\infty$", "√": r"$\surd$", "…": r"\ldots{}", "’": "'", "‘": "`", "“": "``",
    "”": "''", "—": "---", "³": r"$^3$", "⁻": r"$^-$", "½": r"$\frac12$", "¼": r"$\frac14$", "°": r"$^\circ$",
    "µ": r"$\mu$", "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}",
    "Ł": r"\L{}", "ς": r"$\varsigma$", "ο": "o", "�": "?",
}  # fmt: skip
"""Replacements of characters that LaTeX interprets, or that the usual fonts lack."""
ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c",
}  # fmt: skip
"""Combining accents and the LaTeX commands for them."""
GREEK = "GREEK SMALL LETTER "
LAMDA = {"λ": "lambda"}
"""Greek letters whose Unicode name differs from the LaTeX command."""
FLOATS_AT_ONCE = 10
"""Figures after which a page break is written, because LaTeX holds only so many floats."""


def render(document: Document) -> str:
    """Table, methods paragraph and figures."""
    label = re.sub(r"[^a-zA-Z0-9-]", "-", document.results.name)
    parts = [
        "% Needs \\usepackage{booktabs} and \\usepackage{graphicx}.",
        tabular(document.table, label),
        *([tabular(document.settings, f"{label}-settings")] if document.settings else []),
        *([tabular(document.trials, f"{label}-trials")] if document.trials else []),
        f"\\paragraph{{Methods.}} {escape(document.methods)}",
        *_figures(document, label),
    ]
    parts += [f"% {escape(sentence)}" for sentence in document.left_out]
    if document.read:
        parts.append(f"\\paragraph{{Appendix: what was read.}} {escape(document.read)}")
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text escaped for LaTeX."""
    apart = one_line(text, LIMIT).split("--")  # two hyphens would make a dash
    return "-{}-".join("".join(map(_sign, part)) for part in apart)


def _sign(sign: str) -> str:
    """A character for every LaTeX engine; a character that the usual fonts lack becomes its Unicode number."""
    if sign in SIGNS:
        return SIGNS[sign]
    if sign.isascii():
        return sign
    letter, accents = (apart := unicodedata.normalize("NFD", sign))[0], apart[1:]
    if letter.isascii() and accents in ACCENTS:
        return f"\\{ACCENTS[accents]}{{{letter}}}"
    name = unicodedata.name(sign, "")
    if name.startswith(GREEK) and name.count(" ") == GREEK.count(" "):
        return f"$\\{LAMDA.get(sign, name.removeprefix(GREEK).lower())}$"
    return f"[U+{ord(sign):04X}]"


def tabular(shown: Table, label: str) -> str:
    """A table as a float with its notes; needs booktabs and graphicx."""
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
        *_below(shown),
        "\\end{table}",
    ])  # fmt: skip


def _below(shown: Table) -> Iterator[str]:
    if shown.notes:
        yield "  \\par\\smallskip\\begin{minipage}{\\linewidth}\\footnotesize"
        yield from (f"  {escape(note)}" for note in shown.notes)
        yield "  \\end{minipage}"


def _line(cells: Sequence[str]) -> str:
    return f"{' & '.join(map(escape, cells))} \\\\"


def _figures(document: Document, label: str) -> Iterator[str]:
    shown = [figure for figure in document.figures if figure.first("pdf", "png")]
    for number, figure in enumerate(shown, start=1):
        yield _figure(figure, label)
        if number % FLOATS_AT_ONCE == 0:
            yield "\\clearpage"


def _figure(figure: DrawnFigure, label: str) -> str:
    path = figure.first("pdf", "png")
    return "\n".join([
        "\\begin{figure}[htbp]",
        "  \\centering",
        f"  \\includegraphics[width={_width(figure)}]{{{path.as_posix() if path else ''}}}",
        f"  \\caption{{{escape(figure.caption)}}}",
        f"  \\label{{fig:{label}-{figure.name}}}",
        "\\end{figure}",
    ])  # fmt: skip


def _width(figure: DrawnFigure) -> str:
    return "\\linewidth" if figure.width >= 1 else f"{figure.width:.2f}\\linewidth"
