"""A report as one HTML page with its figures inside."""

import base64
from collections.abc import Sequence
from html import escape as escaped

from revconsole.lab.report.document import Document, DrawnFigure
from revconsole.lab.report.shown_table import Table
from revconsole.records.printable import one_line

SUFFIX = "html"
LIMIT = 40_000
KINDS = {"svg": "image/svg+xml", "png": "image/png"}
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
.wide { overflow-x: scroll; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .4rem 0; font-weight: 600; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #ccc; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 6rem; }
td:last-child { white-space: normal; min-width: 9rem; }
th[colspan] { text-align: left; padding-top: .8rem; }
thead th { border-bottom: 2px solid #1a1a1a; white-space: normal; vertical-align: bottom; }
figure { margin: 2rem 0; }
img { max-width: 100%; }
.note, figcaption { font-size: .875rem; color: #444; }
"""


def render(document: Document) -> str:
    """The whole page. It runs no script and loads nothing."""
    title = escape(document.results.title)
    return "\n".join([
        "<!doctype html>",
        '<html lang="en">',
        f'<head><meta charset="utf-8"><title>{title}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style></head>",
        f"<body><h1>{title}</h1>",
        *(f"<p><b>{word}.</b> {escape(text)}</p>" for word, text in document.facts),
        _table(document.table),
        *(f'<p class="note">{escape(note)}</p>' for note in document.table.notes),
        *([_table(document.settings)] if document.settings else []),
        *([_table(document.trials)] if document.trials else []),
        f"<h2>Methods</h2><p>{escape(document.methods)}</p>",
        *(_figure(figure, document) for figure in document.figures if figure.first(*KINDS)),
        *(f'<p class="note">{escape(sentence)}</p>' for sentence in document.left_out),
        *(["<h2>Appendix</h2>"] if document.read or document.layers else ()),
        *([f"<p><b>What was read.</b> {escape(document.read)}</p>"] if document.read else ()),
        *map(_table, document.layers),
        "</body></html>",
        "",
    ])  # fmt: skip


def escape(text: str) -> str:
    """Text escaped for HTML, also in an attribute."""
    return escaped(one_line(text, LIMIT), quote=True)


def _table(shown: Table) -> str:
    """A table in a box that scrolls if the page is narrower."""
    return "\n".join([
        f'<div class="wide"><table><caption>{escape(shown.caption)}</caption>',
        f"<thead>{_line(shown.headings, 'th')}</thead><tbody>",
        *(line for group, row in shown.grouped for line in _lines(group, row, shown)),
        "</tbody></table></div>",
    ])  # fmt: skip


def _lines(group: str, row: Sequence[str], shown: Table) -> list[str]:
    """A row, below the heading of its group if it is the first."""
    heading = f'<tr><th colspan="{len(shown.headings)}">{escape(group)}</th></tr>'
    return [*([heading] if group else []), _line(row, "td")]


def _line(cells: Sequence[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _figure(figure: DrawnFigure, document: Document) -> str:
    path = figure.first(*KINDS)
    if path is None:
        return ""
    content = base64.b64encode((document.folder / path).read_bytes()).decode("ascii")
    kind, caption = KINDS[path.suffix[1:]], escape(figure.caption)
    image = f'<img src="data:{kind};base64,{content}" alt="{caption}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"
