"""What stands beside the program agrees with it: version, date, the versions of Python that are tried."""

import re
import tomllib
from pathlib import Path

import yaml

import revconsole

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITED = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_there_is_one_version():
    assert revconsole.__version__ == PROJECT["version"] == str(CITED["version"])


def test_the_changelog_has_a_dated_section_for_the_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert f"\n## {PROJECT['version']}, {CITED['date-released']}\n" in text


def test_the_workflow_tries_every_python_that_is_promised_on_both_systems():
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))["jobs"]
    matrix, steps = jobs["gate"]["strategy"]["matrix"], jobs["gate"]["steps"]
    promised = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))

    assert matrix["python"] == promised
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos"}
    assert steps[-1]["run"] == "make test"


def test_hooks_before_a_commit_call_targets_that_there_are():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    targets = re.findall(
        r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )

    assert {repo["repo"] for repo in hooks} == {"local"}
    assert {hook["entry"].removeprefix("make ") for hook in hooks[0]["hooks"]} <= set(targets)
