"""A comparison as a file: each format holds the figures, and nothing is overwritten."""

import csv
import json
from pathlib import Path

import pytest

from revconsole.errors import StoreError, UnknownName
from revconsole.lab.compare import compare
from revconsole.lab.exports import BadTarget, export
from revconsole.records.logs.events import EpochFinished, Finished, MetricDeclared, Started
from revconsole.records.settings.plan import Plan


@pytest.fixture
def compared(store):
    """A comparison of two runs that have finished, and the runs."""
    ids = []
    for name, accuracy in (("=cmd|plain_1", 0.5), ("b", 0.75)):
        run_id = store.create(Plan(name=name, train={"epochs": 2}), {})
        attempt = store.claim(run_id, 1)
        attempt.emit(Started(facts={"steps": 20, "steps_per_epoch": 10, "parameters": 7}))
        for metric in ("validation_accuracy", "train_loss"):
            attempt.emit(
                MetricDeclared(name=metric, unit="", per="epoch", direction="up", meaning="m")
            )
        for epoch in (1, 2):
            values = {"validation_accuracy": accuracy * epoch / 2, "train_loss": 1 / epoch}
            attempt.emit(EpochFinished(epoch=epoch, step=10 * epoch, values=values))
        attempt.emit(Finished(outcome="completed", step=20, values={"test_accuracy": accuracy}))
        attempt.close()
        ids.append(run_id)
    runs = [store.read(run_id) for run_id in ids]
    return compare([run.summary for run in runs], runs={run.id: run for run in runs}), runs


@pytest.mark.parametrize(
    ("suffix", "holds"),
    [
        ("md", ["| name |", "=cmd\\|plain\\_1", "| 75.0 % | +25.0 pp |"]),
        ("tex", ["\\toprule", "=cmd\\textbar{}plain\\_1", "75.0 \\% & +25.0 pp"]),
        ("csv", ["'=cmd|plain_1", ",75.0,25.0,75.0,", ",validation accuracy (%),25.0,20.0,"]),
        ("json", ['"test_accuracy_gain": 0.25', '"at_equal_step": {', '"fronts": {']),
    ],
)
def test_a_table_is_written_with_names_as_data(compared, tmp_path, suffix, holds):
    path = tmp_path / f"table.{suffix}"

    export(*compared, path)

    text = path.read_text("utf-8")
    for part in holds:
        assert part in text
    if suffix == "csv":
        assert {len(row) for row in csv.reader(text.splitlines())} == {17}
    if suffix == "json":
        assert len(json.loads(text)["runs"]) == 2


@pytest.mark.parametrize(
    ("suffix", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")]
)
def test_curves_are_drawn(compared, tmp_path, suffix, begins):
    pytest.importorskip("matplotlib")
    export(*compared, tmp_path / f"curves.{suffix}")

    assert (tmp_path / f"curves.{suffix}").read_bytes().startswith(begins)


def test_what_cannot_be_written_is_one_sentence(compared, tmp_path):
    comparison, runs = compared
    (tmp_path / "taken.md").write_text("mine")

    with pytest.raises(BadTarget, match=r"taken\.md exists: choose another name"):
        export(comparison, runs, tmp_path / "taken.md")
    for folder in (tmp_path, Path()):
        with pytest.raises(BadTarget, match="is a folder"):
            export(comparison, runs, folder)
    with pytest.raises(UnknownName, match="did you mean 'csv'"):
        export(comparison, runs, tmp_path / "table.cvs")
    with pytest.raises(UnknownName, match="format"):
        export(comparison, runs, tmp_path / "md")
    with pytest.raises(StoreError, match=r"cannot write .*there is no folder .*no folder"):
        export(comparison, runs, tmp_path / "no folder" / "table.md")
    with pytest.raises(StoreError, match="File name too long"):
        export(comparison, runs, tmp_path / f"{'x' * 300}.md")
    assert (tmp_path / "taken.md").read_text() == "mine"
