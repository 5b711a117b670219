"""Hooks of the build of the pages: files from outside this folder, and a Markdown twin beside every page.

`page/index.html` has a twin `page.md`. In it what mkdocstrings would make of a module is written out: signatures and docstrings.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent
BROUGHT = {
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "experiments.md": "profiles/README.md",
}
"""Pages that lie elsewhere in the project."""
PICTURES = ROOT / "assets"
OBJECT = re.compile(r"^::: ([\w.]+)\n(?:(?: {4}.*)?\n)*", re.MULTILINE)

twins: dict[str, str] = {}


def on_files(files: Any, config: Any) -> Any:
    """Bring the pages and pictures from elsewhere in."""
    for name, path in BROUGHT.items():
        text = (ROOT / path).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=inward(text)))
    for path in sorted(each for kind in ("svg", "png") for each in PICTURES.glob(f"*.{kind}")):
        files.append(File.generated(config, f"assets/{path.name}", abs_src_path=str(path)))
    return files


def inward(text: str) -> str:
    """Links of a file outside this folder, as they are from inside."""
    text = re.sub(r"\]\((?:\.\./)?docs/", "](", text)
    text = text.replace("](../assets/", "](assets/")
    for name, path in BROUGHT.items():
        text = re.sub(rf"\]\((?:\.\./)?{re.escape(path)}", f"]({name}", text)
    return text


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links out of this folder to the pages brought in; keep the text for the twin."""
    markdown = inward(markdown)
    twins[page.file.src_uri] = markdown
    return markdown


def on_post_build(config: Any, **_: Any) -> None:
    """Write the twins."""
    for name, text in twins.items():
        path = Path(config["site_dir"]) / name
        path.write_text(
            OBJECT.sub(lambda found: written_out(found.group(1)), text), encoding="utf-8"
        )


def written_out(name: str) -> str:
    """A module's docstring and what it offers, as Markdown."""
    import griffe

    found: Any = griffe.load(name, search_paths=[str(ROOT)], resolve_aliases=True)
    return "\n\n".join(said(found, own=False)) + "\n\n"


def said(found: Any, *, own: bool = True) -> Iterator[str]:
    """An object's signature and docstring, then its public members'."""
    if own:
        sign = found.signature(name=found.name) if found.is_function else found.name
        yield f"### {sign if len(sign) < 60 else found.name}"
        if found.is_function:
            yield f"```python\n{sign}\n```"
    if found.docstring:
        yield found.docstring.value
    if found.is_module:
        for name in sorted(found.exports or ()):
            yield from said(found.members[str(name)])
    elif found.is_class:
        for member in found.members.values():
            if member.is_function and not member.name.startswith("_") and member.docstring:
                yield f"```python\n{found.name}.{member.signature(name=member.name)}\n```\n\n{member.docstring.value}"
