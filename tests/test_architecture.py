"""The shape of the project: what may import what, what starts without torch, what the pages promise."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
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


LIGHT = (
    "--help", "train --help", "study --help", "ls", "ls --json", "show @1", "compare @1", "profiles", "data",
    "--demo ls", "models", "settings", "study list", "study show mnist-patch", "train demo --dry-run",
)  # fmt: skip
EACH_VERB = """
import os, sys
from revconsole.cli.app import main
os.environ['REVCONSOLE_STORE'] = {store!r}
for verb in {verbs}:
    sys.argv = ['revconsole', *verb.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (verb, end.code)
    heavy = {{'torch', 'timm', 'sklearn', 'numpy', 'matplotlib'}} & set(sys.modules)
    assert not heavy, (verb, heavy)
"""


def test_a_verb_that_trains_nothing_never_imports_torch(store, plan):
    store.create(plan, {})

    assert fresh(EACH_VERB.format(verbs=LIGHT, store=str(store.root)))


def test_help_needs_neither_the_records_nor_textual():
    loaded = fresh(
        "import sys\n"
        "import revconsole.cli.app\n"
        "from revconsole.cli import config, launch, look, models, profiles, serve, steer, study\n"
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
        "import sys\nimport revconsole.console.app\nprint({'torch', 'timm'} & set(sys.modules))"
    )

    assert loaded.strip() == "set()"


def test_the_reversible_core_stands_on_torch_alone():
    loaded = fresh(
        "import sys\nimport revconsole.reversible\n"
        "print({'timm', 'textual', 'pydantic', 'revconsole.records'} & set(sys.modules))"
    )

    assert loaded.strip() == "set()"


KINDS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@cache
def nodes(path: Path) -> list[ast.AST]:
    """The module, what it defines and what it imports: parsing all of them takes a second."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    inner = [each for each in statements(module) if isinstance(each, KINDS | ast.ImportFrom)]
    return [module, *inner]


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Everything inside that is no expression, which hold neither definitions nor imports and are most of a tree."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr):
            yield child
            yield from statements(child)


@pytest.fixture(autouse=True, scope="module")
def _forgotten() -> Iterator[None]:
    """A million objects, which every later collection of this process would look at."""
    yield
    nodes.cache_clear()


def definitions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    return [node for node in nodes(path) if isinstance(node, KINDS)]


def test_no_modules_import_one_another_not_even_for_their_types_or_late():
    names = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in SOURCES}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    imports = {
        name: {
            found
            for node in nodes(path)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            for found in {f"{node.module}.{alias.name}", node.module} & names.keys()
            if found != name and not name.startswith(f"{found}.")
        }
        for name, path in names.items()
    }

    assert len(imports) > 300
    TopologicalSorter(imports).prepare()  # raises CycleError, with the circle


def test_no_two_classes_share_a_name():
    classes = [
        (node.name, str(path.relative_to(ROOT)))
        for path in SOURCES
        for node in definitions(path)
        if isinstance(node, ast.ClassDef)
    ]
    names = [name for name, _ in classes]

    assert not [each for each in classes if names.count(each[0]) > 1]


def test_names_are_words_of_the_field():
    names = [path.stem for path in SOURCES]
    names += [node.name for path in SOURCES for node in definitions(path)]
    words = {name: re.findall(r"[a-z]+|[A-Z][a-z]*", name) for name in names}

    assert [n for n in names if {word.lower() for word in words[n]} & set(FORBIDDEN_WORDS)] == []


def test_files_and_functions_stay_short():
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    functions = {
        f"{path}:{node.name}": node.end_lineno - node.lineno + 1
        for path in SOURCES
        for node in definitions(path)
        if not isinstance(node, ast.ClassDef)
    }

    assert {path: n for path, n in lines.items() if n > MOST_LINES} == {}
    assert {name: n for name, n in functions.items() if n > MOST_FUNCTION_LINES} == {}


def test_networks_and_fitted_models_part_in_one_place():
    """Beside the choice only functions that refuse a fitted model in a sentence ask which it is."""
    refusing = {"foresee/foresee.py", "questions/modules.py", "questions/verify.py"}
    training = PACKAGE / "training"
    asking = {
        str(path.relative_to(training))
        for path in SOURCES
        if path.is_relative_to(training) and ".fitted" in path.read_text(encoding="utf-8")
    }

    assert asking == {"learning/preparing.py", *refusing}


def test_every_module_begins_with_what_it_is():
    silent = [path for path in SOURCES if not ast.get_docstring(nodes(path)[0])]

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
