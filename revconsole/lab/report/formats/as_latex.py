"""A report as a LaTeX fragment for a thesis. Tables are as wide as the text: words wrap, nothing is scaled."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from revconsole.lab.report.document import Document, DrawnFigure
from revconsole.lab.report.formats.typeset import OUTCOME, TESTED, TypesetColumn, columns
from revconsole.lab.report.numbers import arm_rows
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
PACKAGES = "% Needs \\usepackage{booktabs,graphicx,siunitx,tabularx}."
NUMBERS = "separate-uncertainty, table-align-uncertainty = false, retain-explicit-plus, group-minimum-digits = 5"
WRAPPED = ">{\\raggedright\\arraybackslash}X"
"""A column that takes the room that is left, and wraps."""
NARROW, WIDEST, PAGE = 17, 20, 84
"""Letters of the longest cell that does not wrap, of a wrapped cell's line, and of a line of the page, spaces between columns included."""
LONG_WORD = re.compile(r"[0-9A-Za-z]{32,}")
NUMERIC = re.compile(r"[-+–×.,\d\s]*[KMG]?")
"""A cell of a number, of a shape, or of nothing."""
PIECE = 8
"""Letters between which a long word, as a hash, may be broken."""
LINES_OF_A_PAGE, LINES_OF_A_HEADING = 46, 3
"""Lines of small print that a page holds beside a caption, and that the heading of a table may take."""
MOST_ABOVE_NOTES = 14
"""Rows of a table that leaves room for its notes on a page."""
FLOATS_AT_ONCE = 10
"""Figures after which a page break is written, because LaTeX holds only so many floats."""


def render(document: Document) -> str:
    """Table, methods paragraph and figures."""
    label = re.sub(r"[^a-zA-Z0-9-]", "-", document.results.name)
    tables = [
        *results_tables(document, label),
        *([tabular(document.settings, f"{label}-settings")] if document.settings else []),
        *([tabular(document.trials, f"{label}-trials")] if document.trials else []),
    ]
    parts = [
        PACKAGES,
        *(map(_spanning, tables) if document.two_columns else tables),
        f"\\paragraph{{Methods.}} {escape(document.methods)}",
        *_figures(document, label),
    ]
    parts += [f"% {escape(sentence)}" for sentence in document.left_out]
    if document.read:
        parts.append(f"\\paragraph{{Appendix: what was read.}} {escape(document.read)}")
    appendix = [tabular(shown, f"{label}-layers-{n}") for n, shown in enumerate(document.layers, 1)]
    parts += map(_spanning, appendix) if document.two_columns else appendix
    return "\n\n".join(parts) + "\n"


def _spanning(placed: str) -> str:
    """A float that spans both columns of a page. No text can hold its words, whose braces would be escaped."""
    return placed.replace("{table}", "{table*}").replace("{figure}", "{figure*}")


def escape(text: str) -> str:
    """Text escaped for LaTeX."""
    apart = one_line(text, LIMIT).split("--")  # two hyphens would make a dash
    whole = "-{}-".join("".join(map(_sign, part)) for part in apart)
    return LONG_WORD.sub(_breakable, whole)


def _breakable(word: re.Match[str]) -> str:
    pieces = range(0, len(word[0]), PIECE)
    return r"\allowbreak{}".join(word[0][k : k + PIECE] for k in pieces)


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


def results_tables(document: Document, label: str) -> Iterator[str]:
    """The results as one table, or as several where one would be too wide: of results first, then of costs."""
    rows = arm_rows(document.results)
    found = columns(document.results, rows, document.columns)
    arms = min(WIDEST, max(len(row.short) for row in rows))
    parts = _side_by_side(found, PAGE - arms)
    for place, part in enumerate(parts):
        caption, tail = document.table.caption, f"-{place + 1}" if place else ""
        shown = replace(
            document.table,
            caption=f"{caption} (continued)" if place else caption,
            notes=document.table.notes if place == len(parts) - 1 else (),
        )
        yield _numbers(shown, part, f"{label}{tail}")


def _side_by_side(found: Mapping[str, TypesetColumn], room: int) -> list[dict[str, TypesetColumn]]:
    """The columns of each table: all in one if they fit, else results and costs apart, else also what is tested, each in as many as it needs."""
    letters = {name: column.letters for name, column in found.items()}
    if sum(letters.values()) <= room:
        return [dict(found)]
    outcome = sum(many for name, many in letters.items() if name in OUTCOME)
    groups = (OUTCOME,) if outcome <= room else (OUTCOME - TESTED, TESTED)
    parts: list[dict[str, TypesetColumn]] = []
    for group in (*groups, letters.keys() - OUTCOME):
        left = 0
        for name, column in found.items():
            if name in group:
                if column.letters > left:
                    parts.append({})
                    left = room
                parts[-1][name] = column
                left -= column.letters
    return parts


def _numbers(shown: Table, found: Mapping[str, TypesetColumn], label: str) -> str:
    """A table of numbers with their decimals below each other; the arms, in the first column, wrap."""
    headings = [_stacked(column) for column in found.values()]
    lines: list[str] = []
    for place, (group, row) in enumerate(shown.grouped):
        if group:
            space = ["\\addlinespace"] if lines else []
            spanned = (
                f"\\multicolumn{{{len(found) + 1}}}{{@{{}}l}}{{\\itshape {escape(group)}}} \\\\"
            )
            lines += [*space, spanned]
        cells = (column.cells[place] for column in found.values())
        lines.append(f"{' & '.join([escape(row[0]), *cells])} \\\\")
    specification = WRAPPED + "".join(column.specification for column in found.values())
    heading = f"{' & '.join([escape(shown.headings[0]), *headings])} \\\\"
    return _float(shown, label, _grid(specification, heading, lines))


def tabular(shown: Table, label: str) -> str:
    """A table of text as a float with its notes. A table that is too wide goes on below, with its first column again.

    What is longer than a page goes on in another float.
    """
    grids = [_of_text(shown, part) for part in _parts(shown)]
    lines = sum(-(-max(map(len, row)) // NARROW) for row in shown.rows)
    each = max(1, LINES_OF_A_PAGE // (lines + LINES_OF_A_HEADING))
    floats = [grids[start : start + each] for start in range(0, len(grids), each)]
    return "\n\n".join(
        _float(
            replace(
                shown,
                caption=f"{shown.caption} (continued)" if place else shown.caption,
                notes=shown.notes if part is floats[-1] else (),
            ),
            f"{label}-{place + 1}" if place else label,
            "\n  \\par\\medskip\n".join(part),
        )
        for place, part in enumerate(floats)
    )


def _of_text(shown: Table, part: Sequence[int]) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"{' & '.join(escape(cells[k]) for k in part)} \\\\"

    wide = [_letters(shown, k) > NARROW for k in part]
    wide[0] = wide[0] or not any(wide)  # something has to take the room that is left
    specification = "".join(
        WRAPPED if w else ("r" if k and _numeric(shown, k) else "l")
        for k, w in zip(part, wide, strict=True)
    )
    return _grid(specification, line(shown.headings), [line(row) for row in shown.rows])


def _numeric(shown: Table, column: int) -> bool:
    """Whether a column has numbers alone, whose digits stand below each other."""
    return all(NUMERIC.fullmatch(row[column]) for row in shown.rows)


def _parts(shown: Table) -> list[list[int]]:
    """The columns of each grid: the first in every one, the others in as few grids as the page allows, about as many in each."""
    others = range(1, len(shown.headings))
    room = PAGE - _letters(shown, 0)
    count = max(1, -(-sum(_letters(shown, k) for k in others) // room))
    each = max(1, -(-len(others) // count))
    return [[0, *others[start : start + each]] for start in range(0, len(others), each)] or [[0]]


def _letters(shown: Table, column: int) -> int:
    """Letters that a column takes: of its longest cell, but not more than a cell that wraps needs."""
    return min(WIDEST, max(len(cells[column]) for cells in (shown.headings, *shown.rows))) + 2


def _grid(specification: str, heading: str, lines: Sequence[str]) -> str:
    return "\n".join([
        f"  \\begin{{tabularx}}{{\\linewidth}}{{@{{}}{specification}@{{}}}}",
        "    \\toprule",
        f"    {heading}",
        "    \\midrule",
        *(f"    {line}" for line in lines),
        "    \\bottomrule",
        "  \\end{tabularx}",
    ])  # fmt: skip


def _float(shown: Table, label: str, grid: str) -> str:
    """A table as a float, with its notes below; those of a long one follow in the text, as a float may not exceed a page."""
    below = list(_below(shown))
    inside = len(shown.rows) <= MOST_ABOVE_NOTES
    after = [] if inside or not below else ["", *below]
    return "\n".join([
        "\\begin{table}[htbp]",
        "  \\centering\\small",
        f"  \\sisetup{{{NUMBERS}}}",
        "  \\setlength{\\tabcolsep}{4pt}\\setlength{\\belowcaptionskip}{6pt}",  # the article class leaves none
        f"  \\caption{{{escape(shown.caption)}}}",
        f"  \\label{{tab:{label}}}",
        grid,
        *(below if inside else []),
        "\\end{table}",
        *after,
    ])  # fmt: skip


def _stacked(column: TypesetColumn) -> str:
    """A heading in short lines, with its unit below; in braces, as siunitx wants what is no number."""
    lines = [*map(escape, column.lines), *([f"({column.unit})"] if column.unit else [])]
    return r"{\begin{tabular}[b]{@{}c@{}}" + r"\\".join(lines) + r"\end{tabular}}"


def _below(shown: Table) -> Iterator[str]:
    if shown.notes:
        yield "  \\par\\smallskip\\noindent\\begin{minipage}{\\linewidth}\\footnotesize"
        yield from (f"  {escape(note)}" for note in shown.notes)
        yield "  \\end{minipage}"


def _figures(document: Document, label: str) -> Iterator[str]:
    shown = [figure for figure in document.figures if figure.first("pdf", "png")]
    for number, figure in enumerate(shown, start=1):
        placed = _figure(figure, label)
        yield _spanning(placed) if document.two_columns and figure.width > 1 else placed
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
