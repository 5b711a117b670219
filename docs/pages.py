"""The pages that are made from the code: settings, verbs, keys and schemes. `python docs/pages.py` writes them.

Each function returns one page as Markdown. Nothing here imports torch: schemes are read as text.
"""

import ast
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
SCHEMES = DOCS.parent / "revconsole" / "reversible" / "schemes"
RULES = DOCS.parent / "revconsole"
ARXIV = re.compile(r"arXiv[: ]\s*(\d{4}\.\d{5})")
SECTIONS = {
    "backward": "Where the backward pass gets its activations.",
    "model": "The network.",
    "scheme": "How its residual blocks are wired; see [Schemes](schemes.md).",
    "data": "Which images, how they are split, and what is done to them.",
    "train": "How long, how many at once, how precisely, and where.",
    "optimizer": "What turns gradients into steps.",
    "schedule": "How the learning rate changes.",
    "objective": "What is minimised.",
}


def settings() -> str:
    """Every key, section by section: of which kinds it is, default, range, meaning, and when to change it."""
    from revconsole.records.settings.glossary import entries

    because = reasons()
    parts = [
        "# Every setting",
        "What a [profile](profiles.md), the command line (`key=value`) and the launch form take; `revconsole settings` prints the same. A key that several kinds have stands once for each range or meaning it has.",
    ]
    for section, what in SECTIONS.items():
        rows = [
            [
                f"`{entry['key']}`", of, code(entry["default"]), entry["allowed"],
                " ".join(filter(None, (entry["meaning"], because.get(entry["key"], "")))),
            ]
            for entry, of in merged(entry for entry in entries() if entry["section"] == section)
        ]  # fmt: skip
        headings = ["key", "of", "default", "allowed", "meaning, and when to change it"]
        parts += [f"## {section}", what, table(headings, rows)]
    return joined(parts)


def merged(found: Iterator[dict[str, str]]) -> list[tuple[dict[str, str], str]]:
    """Entries that say the same of several kinds as one, with the kinds."""
    kinds: dict[tuple[str, ...], tuple[dict[str, str], list[str]]] = {}
    for entry in found:
        same = tuple(entry[name] for name in ("key", "default", "allowed", "meaning"))
        kinds.setdefault(same, (entry, []))[1].append(entry["of"])
    return [(entry, ", ".join(filter(None, of))) for entry, of in kinds.values()]


def reasons() -> dict[str, str]:
    """When one would change a setting, by its dotted key."""
    found = tomllib.loads((DOCS / "reasons.toml").read_text(encoding="utf-8"))
    flat = {key: value for key, value in found.items() if isinstance(value, str)}
    for section, inner in found.items():
        if isinstance(inner, dict):
            flat |= {f"{section}.{name}": sentence for name, sentence in inner.items()}
    return flat


def verbs() -> str:
    """Every verb: what it does, its arguments and options."""
    parts = [
        "# Every verb",
        "What `revconsole` can do; `revconsole VERB --help` prints the same. Results go to stdout, messages to stderr. [Exit codes](operations.md#exit-codes) say how it ended.",
        *described(command_line(), "revconsole", level=2),
    ]
    return joined(parts)


def command_line() -> Any:
    """The command `revconsole` with all its verbs, which are imported only when they are called otherwise."""
    import typer

    from revconsole.cli.app import app
    from revconsole.cli.verbs import verb

    root: Any = typer.main.get_command(app)
    root.commands.update({name: verb(name) for name in root.commands})
    return root


def described(command: Any, path: str, *, level: int) -> Iterator[str]:
    """A command, then the commands in it."""
    context = command.context_class(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    yield f"{'#' * level} {path}"
    yield paragraphs(command.help or "")
    yield f"```text\n{usage}\n```"
    records = [parameter.get_help_record(context) for parameter in command.params]
    rows = [[code(name), " ".join(what.split())] for name, what in filter(None, records)]
    if rows:
        yield table(["argument or option", "meaning"], rows)
    for name, inner in getattr(command, "commands", {}).items():
        yield from described(inner, f"{path} {name}", level=min(level + (path != "revconsole"), 3))


def keys() -> str:
    """Every key of the console, screen by screen."""
    from revconsole.console.app import Console
    from revconsole.console.screens.help import entries, groups

    parts = [
        "# Every key",
        "Of [the console](console.md), as `?` shows them; the [configuration](configuration.md) changes them by their id. In tables `j` and `k` move, in a field of text every letter is text.",
    ]
    for title, owner in [*groups(), ("Everywhere", Console)]:
        rows = [[code(e.keys), e.meaning, code(e.binding_id)] for e in entries(owner)]
        parts += [f"## {title}", table(["key", "does", "id"], rows)]
    return joined(parts)


def configuration() -> str:
    """Every key of the configuration: default, allowed values, meaning."""
    from revconsole.records.config.options import OPTIONS

    rows = [
        [f"`{key}`", code(spelled(option.default)), option.allowed, option.meaning]
        for key, option in OPTIONS.items()
    ]
    return joined([
        "# Configuration",
        ("What holds for the console and for notices, whatever is trained. A flag (`--set theme=nord` before the verb) comes before an "
        "environment variable (`REVCONSOLE_THEME`), then `revconsole.toml` in the working folder, your own file, and the default."),
        ("`revconsole config path` prints where your own file is, `revconsole config show` lists each value with its origin, "
        "`revconsole config edit` opens the file in `$EDITOR`, and `revconsole config validate` checks it. What is wrong is left out with a sentence, and the console still opens."),
        "## Keys of the file",
        table(["key", "default", "allowed", "meaning"], rows),
        ("`[notify]` and `[place.slurm]` belong in your own file: a project's file, which may come from somebody else, can neither run a command nor send a "
        "message. `revconsole config notify` sends a trial notice and says what failed."),
        ("A run with the tag `notify` is told of at every end, whatever `notify.on` says, and one with the tag `quiet` never: `revconsole note RUN --tag "
        "notify`, or `e` in the console. A run that was killed is told of by its supervisor or by a console or `watch` that sees it, and each end is told "
        "once. An address may hold a user and password, or a token as the password (`https://:TOKEN@ntfy.sh/my-topic`), which is sent as a header."),
        "## Keys of the keyboard",
        ("A table `[keymap]` gives what the console does other keys, by the id that [Every key](keys.md) lists, as in "
        '`"runs.stop" = "ctrl+s"` or `"app.help" = "f1,?"`. A key that something else on the same screen has is refused with a sentence.'),
        "## What is remembered",
        ("Theme, order, filter, columns and charts are remembered for each store in the state folder (`REVCONSOLE_STATE` names another "
        "one). A file there that cannot be read is renamed, and the console says so. What goes wrong in the console itself is noted in "
        "`console.log` there, with its traceback."),
    ])  # fmt: skip


def spelled(value: object) -> str:
    """A value as TOML."""
    from revconsole.records.settings.words import spelled as in_words

    return f'"{value}"' if isinstance(value, str) else in_words(value)


def rules() -> str:
    """Every rule that says something of a run, with when it speaks, why and where that is from."""
    before, training = RULES / "records" / "prelaunch", RULES / "training" / "advice"
    return joined([
        "# Every rule",
        ("What revconsole says of a run by itself: before it is launched, from its settings, and while it trains, from what it "
        "records. Each sentence has its figures, what is usual, and the setting to change or the command line to paste."),
        "## Before the launch",
        ("In the launch form while one types, under `revconsole plan` and `revconsole train`, and as `notes` of `plan --json`. The run "
        "records the warnings."),
        table(["rule", "when, why, and where that is from"], rules_in(before / "rules")),
        "## While it trains",
        "In the log and on the screen of the run, in `revconsole show`, and as `advice` of `ls --json`; once per onset.",
        table(["rule", "when, why, and where that is from"], rules_in(training / "rules")),
    ])  # fmt: skip


def rules_in(folder: Path) -> list[list[str]]:
    """Name and meaning of the rule in each file of a folder, as its docstring has them."""
    paths = sorted(path for path in folder.glob("*.py") if path.stem != "__init__")
    texts = [ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" for path in paths]
    split = [text.partition(": ")[::2] for text in texts]
    return [[f"**{name}**", " ".join(text.split())] for name, text in split]


def schemes() -> str:
    """Each scheme as its file states it: equations, inverse, what is kept, error, when to use it, source."""
    from revconsole.records.sections import KINDS

    parts = [
        "# Each scheme",
        "From the head of each scheme's file. h is the whole residual of a block, A or F its attention, M or G its MLP; x₋, x and x₊ are the states before, at and after a block, γ and s settings. [Schemes](schemes.md) compares them.",
    ]
    for name in sorted(KINDS["scheme"][1], key="residual".__eq__):  # the plain network last
        tree = ast.parse((SCHEMES / f"{name}.py").read_text(encoding="utf-8"))
        parts += [f"## {name}", *stated(ast.get_docstring(tree) or "")]
    return joined(parts)


def stated(docstring: str) -> Iterator[str]:
    """A docstring as Markdown: what is indented is kept as it stands, papers become links."""
    for part in docstring.split("\n\n"):
        if all(line.startswith("    ") for line in part.splitlines()):
            yield "```text\n" + "\n".join(line[4:] for line in part.splitlines()) + "\n```"
        else:
            yield ARXIV.sub(r"[arXiv \1](https://arxiv.org/abs/\1)", " ".join(part.split()))


def paragraphs(text: str) -> str:
    """A help text, one line a paragraph."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [
        headings,
        ["---"] * len(headings),
        *([cell.replace("|", "\\|") for cell in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(text: str) -> str:
    """As code; nothing for nothing."""
    return f"`{text}`" if text else ""


def joined(parts: Sequence[str], target: str = "pages") -> str:
    """A page, with the note that it is made. target: of make, which makes it."""
    made = f"<!-- Made by docs/{target.replace('-', '_')}.py from the code: `make {target}` writes it anew. -->"
    return "\n\n".join(filter(None, (parts[0], made, *parts[1:]))) + "\n"


def listed() -> str:
    """llms.txt: every page with its first sentence, in the order of the overview."""
    lines = [
        "# revconsole",
        "> Train and compare vision transformers in the terminal, above all reversible ones, which recompute activations in the backward pass instead of storing them.",
        "Every page is plain Markdown under these addresses.",
    ]
    overview = (DOCS / "index.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(.+?)\]\((\S+?\.md)\) \| (.+?) \|$", overview, re.MULTILINE)
    rows += [
        (
            "Experiments",
            "experiments.md",
            "every experiment that comes with the program, beside what was published",
        ),
        ("Contributing", "contributing.md", "what to touch to add one thing"),
        ("Changes", "changelog.md", "what users notice, by version"),
    ]
    lines.append("\n".join(f"- [{title}]({name}): {what}" for title, name, what in rows))
    return "\n\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "verbs.md": verbs,
    "keys.md": keys,
    "each-scheme.md": schemes,
    "rules.md": rules,
    "configuration.md": configuration,
    "llms.txt": listed,
}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
