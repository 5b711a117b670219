"""CONTRIBUTING.md followed to the letter in a copy of the tree: what is added that way is found, and it works."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(python|diff)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COPIED = ("revconsole", "tests", "profiles", "docs", "CONTRIBUTING.md", "pyproject.toml")
SKIPPED = shutil.ignore_patterns("*.svg", "*.png", "*.gif", "*.gz")
SUITES = {
    "tests/contributing/followed.py": "added",
    "tests/conformance/test_gradients.py::test_reversible_gradients_are_those_of_stored": "staggered",
    "tests/conformance/test_reconstruction.py": "staggered",
    "tests/references/test_schemes_in_numpy.py": "staggered or second_time",
    "tests/training/test_growth.py": "Staggered",
    "tests/training/test_architectures.py": "softmax",
    "tests/data/test_datasets.py": "stripes",
    "tests/docs/test_pages.py": "reason",
}
"""Suites that try every member of a kind, with a word of what is new; and those that ask for more of each."""


def follow(guide: str, tree: Path) -> list[str]:
    """Do what the blocks of the guide say: new files, and lines between others. Returns the files, as they come."""
    blocks = BLOCK.findall(guide)
    for kind, name, body in blocks:
        path = tree / name
        if kind == "python":
            assert not path.exists(), f"{name} is a new file"
            path.write_text(body, encoding="utf-8")
        else:
            edit(path, body.splitlines())
    return [name for _, name, _ in blocks]


def edit(path: Path, lines: list[str]) -> None:
    """Put the lines with a + where those around them are, in place of those with a -."""
    before, after = (
        "".join(f"{line[1:]}\n" for line in lines if line[:1] != sign) for sign in "+-"
    )
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"in {path.name} once: {before}"
    path.write_text(text.replace(before, after), encoding="utf-8")


def test_what_is_added_by_the_guide_works(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in COPIED:
        place = ROOT / name
        if place.is_file():
            shutil.copy(place, tree / name)
        else:
            shutil.copytree(place, tree / name, ignore=SKIPPED)

    touched = follow((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), tree)
    options = ["-n", "0", "-rA", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "made")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-k", " or ".join(SUITES.values()), *SUITES],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    passed = re.findall(r"^PASSED (\S+)", done.stdout, re.MULTILINE)

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert [suite for suite in SUITES if not any(map(re.compile(suite).match, passed))] == []
    assert len(set(touched)) == 14


def test_a_line_that_has_moved_is_noticed(tmp_path):
    (tmp_path / "one.py").write_text("a = 1\nb = 2\n")

    assert follow("```diff\n# one.py\n a = 1\n+c = 3\n```\n", tmp_path) == ["one.py"]
    assert (tmp_path / "one.py").read_text() == "a = 1\nc = 3\nb = 2\n"
    with pytest.raises(AssertionError):
        follow("```diff\n# one.py\n a = 1\n b = 2\n+d = 4\n```\n", tmp_path)
