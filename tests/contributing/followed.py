"""What a copy of the tree can do once CONTRIBUTING has been followed in it; `test_guide` runs this there."""

import json
import runpy
from pathlib import Path

import pytest
from typer.testing import CliRunner

import revconsole
from revconsole.cli.app import app

TREE = Path(__file__).resolve().parents[2]
PROFILE = """
backward = "reversible"
model = { patch = 4, dim = 8, depth = 3, heads = 2 }
scheme.name = "staggered"
data.dataset = "stripes"
optimizer.name = "adagrad"
train = { epochs = 1, batch = 64, threads = 1, device = "cpu", audit = false, probe_epochs = 1 }
"""
PLAIN = ("model.architecture=softmax", "scheme.name=residual", "backward=stored")


def said(*arguments: str) -> str:
    """What a command prints that ends well."""
    result = CliRunner().invoke(app, ["--store", "runs", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, f"{arguments}: {result.output}"
    return result.stdout


def test_added_it_is_the_copy_that_is_tried():
    assert Path(revconsole.__file__).is_relative_to(TREE)


def test_added_kinds_are_listed():
    named = {(entry["kind"], entry["name"]) for entry in json.loads(said("models", "--json"))}
    kinds = {entry["of"] for entry in json.loads(said("settings", "--json"))}

    assert {("scheme", "staggered"), ("architecture", "softmax")} <= named
    assert {"staggered", "softmax", "adagrad"} <= kinds
    assert "stripes" in said("data")


def test_added_kinds_train_and_the_metric_is_measured():
    Path("added.toml").write_text(PROFILE, encoding="utf-8")
    said("train", "added.toml")
    (error,) = said("show", "@1", "--metric", "gradient_error").splitlines()[-1:]
    trained = said("show", "@1", "--metric", "trained_images")
    said("train", "added.toml", *PLAIN)

    assert (
        float(error.split("\t")[1]) < 1e-5
    )  # of float32: reversed, the gradient is the stored one
    assert trained == "3\t144.0\n"
    assert json.loads(said("count")) == {"runs": 2}


def test_added_verb_is_in_the_help():
    assert "Count the runs of the store." in said("--help")


@pytest.mark.parametrize("name", ["settings.md", "verbs.md", "each-scheme.md"])
def test_added_things_stand_in_the_pages(name):
    pages = runpy.run_path(str(TREE / "docs" / "pages.py"))
    words = {
        "settings.md": "softmax",
        "verbs.md": "## revconsole count",
        "each-scheme.md": "## staggered",
    }

    assert words[name] in pages["PAGES"][name]()
