"""The shape of the project: what may import what, what starts without torch, what the pages promise."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "revconsole"
SOURCES = sorted(PACKAGE.rglob("*.py"))

FORBIDDEN_WORDS = ("manager", "handler", "helper", "util", "common", "base", "wrapper", "misc")
MOST_LINES = 400
MOST_FUNCTION_LINES = 60


def fresh(code: str) -> str:
    """What `code` prints in an interpreter that has imported nothing of ours."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["train", "--help"],
        ["ls"],
        ["ls", "--json"],
        ["show", "@1"],
        ["compare", "@1"],
        ["profiles"],
        ["data"],
        ["models"],
        ["settings"],
        ["train", "demo", "--dry-run"],
    ],
    ids=" ".join,
)
def test_a_verb_that_trains_nothing_never_imports_torch(arguments, store, plan):
    store.create(plan, {})
    heavy = fresh(
        "import sys\n"
        f"sys.argv = ['revconsole', '--store', {str(store.root)!r}, *{arguments!r}]\n"
        "from revconsole.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('heavy:', {'torch', 'timm', 'sklearn', 'numpy'} & set(sys.modules))\n"
    ).splitlines()[-1]

    assert heavy == "heavy: set()"


def test_help_needs_neither_the_records_nor_textual():
    loaded = fresh(
        "import sys\n"
        "import revconsole.cli.app\n"
        "print({'pydantic', 'textual', 'rich', 'revconsole.records.settings.profile'} & set(sys.modules))"
    )

    assert loaded.strip() == "set()"


def test_completion_never_imports_torch(store, plan):
    store.create(plan, {})
    printed = fresh(
        "import os, sys\n"
        f"os.environ['REVCONSOLE_STORE'] = {str(store.root)!r}\n"
        "from revconsole.cli import complete\n"
        "print(complete.runs(''), complete.profiles('de'), complete.settings('model.de'))\n"
        "print('torch' in sys.modules)\n"
    )

    assert "small" in printed
    assert "demo" in printed
    assert "model.depth=" in printed
    assert printed.strip().endswith("False")


def test_the_console_is_imported_without_torch():
    loaded = fresh(
        "import sys\nimport revconsole.console.app\nprint({'torch', 'timm', 'plotext'} & set(sys.modules))"
    )

    assert loaded.strip() == "set()"


def test_the_reversible_core_stands_on_torch_alone():
    loaded = fresh(
        "import sys\nimport revconsole.reversible\n"
        "print({'timm', 'textual', 'pydantic', 'revconsole.records'} & set(sys.modules))"
    )

    assert loaded.strip() == "set()"


def test_no_two_classes_share_a_name():
    classes = [
        (node.name, str(path.relative_to(ROOT)))
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    names = [name for name, _ in classes]

    assert not [each for each in classes if names.count(each[0]) > 1]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_names_are_words_of_the_field_and_files_stay_short(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [path.stem] + [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    words = {word for name in names for word in re.findall(r"[a-z]+|[A-Z][a-z]*", name)}
    too_long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > MOST_FUNCTION_LINES
    }

    assert not {word.lower() for word in words} & set(FORBIDDEN_WORDS)
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES
    assert not too_long


def test_every_module_begins_with_what_it_is():
    silent = [p for p in SOURCES if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))]

    assert silent == []


def test_the_tree_in_the_page_on_design_is_the_real_one():
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    tree = re.search(r"```text\nrevconsole/\n(.*?)```", text, re.DOTALL)
    assert tree, "the page draws the package as a tree"
    drawn = {line.split()[0].rstrip("/") for line in tree.group(1).splitlines() if line.strip()}
    real = {p.stem if p.is_file() else p.name for p in PACKAGE.iterdir()}
    real -= {"__init__", "__main__", "__pycache__", "py", "_profiles"}

    assert drawn == real


def test_every_verb_is_documented():
    helped = fresh(
        "import sys; sys.argv = ['revconsole', '--help']\nfrom revconsole.cli.app import main\nmain()"
    )
    verbs = re.findall(r"^  ([\w-]+)  +\S", helped.partition("Commands:")[2], re.MULTILINE)
    page = (ROOT / "docs" / "verbs.md").read_text(encoding="utf-8")

    assert len(verbs) > 10
    assert [verb for verb in verbs if f"\n## revconsole {verb}\n" not in page] == []


def test_each_profile_begins_with_its_four_facts():
    for path in (ROOT / "profiles").glob("*.toml"):
        head = path.read_text(encoding="utf-8").splitlines()[:12]
        facts = {"Source", "Expected", "Time", "Hardware"}
        found = {line[2:].partition(":")[0] for line in head if line.startswith("# ")}
        assert facts <= found, path.name


def test_every_experiment_has_its_row_in_the_table_of_results():
    table = (ROOT / "profiles" / "README.md").read_text(encoding="utf-8")
    names = {path.stem for path in (ROOT / "profiles").rglob("*.toml")}

    assert len(names) > 50
    assert {name for name in names if f"`{name}`" not in table} == set()
