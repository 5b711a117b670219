"""The verb predict: a table, the confusion, files; a mistake is one sentence."""

import pytest

from revconsole.lab import predicting
from revconsole.records.findings.predictions import Prediction, Predictions

FOUND = Predictions(
    source="pictures",
    step=7,
    classes=("cat", "dog"),
    images=(
        Prediction(image="a.png", truth="cat", shares=(0.25, 0.75)),
        Prediction(image="\x1b[31mb.png", truth="dog", shares=(0.4, 0.6)),
    ),
    left_out=(("c.png", "it is empty"),),
)


@pytest.fixture
def found(monkeypatch):
    """A store with one run, whose network says what FOUND says."""
    monkeypatch.setattr("revconsole.records.runs.store.RunStore.find", lambda *_: "run")
    monkeypatch.setattr(predicting, "predicted", lambda *_, **__: FOUND)


@pytest.mark.usefixtures("found")
def test_images_are_listed_with_what_they_are_called(run):
    said = run("predict", "x", "pictures")
    assert said.out.splitlines()[1] == "a.png\tcat\tdog\t75.0%\tcat 25.0%"
    assert "\x1b" not in said.out
    assert "left out: 1 file: c.png (it is empty)" in said.err
    assert "pictures: 1 of 2 right, 50.0%; weights of step 7" in said.err
    assert len(run("predict", "x", "pictures", "--wrong").out.splitlines()) == 2
    assert (
        run("predict", "x", "pictures", "--confusion").out.splitlines()[1].startswith("cat\t0.0 %")
    )


@pytest.mark.usefixtures("found")
def test_every_probability_goes_into_a_file(run, tmp_path):
    said = run("predict", "x", "--to", str(tmp_path / "p.csv"))
    assert (said.code, said.out) == (0, "")
    assert (tmp_path / "p.csv").read_text().splitlines()[1] == "a.png,cat,dog,0.75,0.25,0.75"
    said = run("predict", "x", "--to", str(tmp_path / "p.csv"))
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "exists" in said.err


def test_a_run_that_is_not_there_is_one_sentence(run):
    said = run("predict", "nothere")
    assert (said.code, said.out, said.err.count("\n")) == (3, "", 1)
