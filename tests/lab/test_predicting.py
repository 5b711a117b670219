"""Predictions as files: every probability, names as data, and nothing is overwritten."""

import csv
import json

import pytest

from revconsole.errors import StoreError, UnknownName, WrongState
from revconsole.lab import predicting
from revconsole.lab.exports import BadTarget
from revconsole.records.findings.predictions import Prediction, Predictions

FOUND = Predictions(
    source="test",
    step=7,
    classes=("cat", "=dog"),
    images=(
        Prediction(image="=cmd|x.png", truth="cat", shares=(0.25, 0.75)),
        Prediction(image="b.png", truth="cat", shares=(0.5, 0.25)),
        Prediction(image="c.png", truth=None, shares=(0.0, 1.0)),
    ),
)


def test_accuracy_and_confusion_are_of_the_images_whose_class_is_known():
    assert FOUND.accuracy == 0.5
    assert FOUND.confusion == ((1, 1), (0, 0))
    assert [each.image for each in FOUND.wrong] == ["=cmd|x.png"]
    assert predicting.confusion_of(FOUND).accuracies == {"cat": 0.5, "=dog": None}


def test_without_a_known_class_nothing_is_confused():
    unknown = Predictions(source="x", step=7, classes=("a", "b"), images=FOUND.images[2:])
    assert unknown.accuracy is None
    with pytest.raises(WrongState, match="not known"):
        predicting.confusion_of(unknown)


def test_csv_and_json_hold_every_probability(tmp_path):
    for name in ("p.csv", "p.json"):
        predicting.write(FOUND, tmp_path / name)

    rows = list(csv.reader((tmp_path / "p.csv").read_text().splitlines()))
    assert rows[0] == ["image", "is", "called", "probability", "p(cat)", "p(=dog)"]
    assert rows[1] == ["'=cmd|x.png", "cat", "'=dog", "0.75", "0.25", "0.75"]
    body = json.loads((tmp_path / "p.json").read_text())
    assert body["images"][2] == {
        "image": "c.png", "is": None, "called": "=dog", "probabilities": [0.0, 1.0],
    }  # fmt: skip


def test_where_there_is_no_room_no_half_of_it_is_left(tmp_path, monkeypatch):
    def in_part(path, text, **_):
        path.write_bytes(text[:5].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", in_part)
    with pytest.raises(StoreError, match="No space left"):
        predicting.write(FOUND, tmp_path / "p.csv")

    assert not (tmp_path / "p.csv").exists()


def test_a_target_that_cannot_be_written_is_refused_before_anything_is_computed(tmp_path):
    (tmp_path / "there.csv").write_text("")
    for to, attention, raised in (
        (tmp_path / "p.xls", None, UnknownName),
        (tmp_path / "there.csv", None, BadTarget),
        (None, tmp_path / "none" / "a.png", StoreError),
        (None, tmp_path / "a.jpg", UnknownName),
    ):
        with pytest.raises(raised):
            predicting.refuse_targets(to=to, attention=attention)
