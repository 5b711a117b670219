"""show --boundary, and plan of a machine that is fitted."""

import json

import pytest

from revconsole.records.logs.events import Bounded, Started


@pytest.fixture
def plane(store, plan, monkeypatch):
    monkeypatch.setenv("REVCONSOLE_STORE", str(store.root))
    attempt = store.claim(store.create(plan, {}), 1)
    attempt.emit(Started(facts={}))
    attempt.emit(
        Bounded(
            step=3, epoch=1, box=(-1.0, 1.0, -1.0, 1.0), columns=2, rows=2, cells="z0z0",
            of="probability", names=("outer", "inner"), points=[(0.5, 0.0, 0)],
        )
    )  # fmt: skip
    attempt.close()


def test_the_plane_is_printed_as_text(run, plane):
    said = run("show", "@1", "--boundary")
    legend, *rows = said.out.splitlines()

    assert said.code == 0
    assert "o outer, i inner" in legend
    assert len(rows) == 32
    assert rows[0] == "█" * 32
    assert rows[16] == "█" * 32 + " " * 16 + "o"


def test_the_plane_is_given_to_scripts(run, plane):
    body = json.loads(run("show", "@1", "--boundary", "--json").out)

    assert body["cells"] == "z0z0"
    assert body["points"] == [[0.5, 0.0, 0]]


def test_a_run_on_images_has_none_and_that_is_one_sentence(run, store, plan, monkeypatch):
    monkeypatch.setenv("REVCONSOLE_STORE", str(store.root))
    store.create(plan, {})
    said = run("show", "@1", "--boundary")

    assert said.code == 2
    assert said.err.strip() == (
        "revconsole: small: has no decision boundary; only runs on points of the plane have one "
        "(circles, moons, spirals)"
    )


def test_a_plan_says_what_of_a_fitted_machine_cannot_be_counted(run):
    said = run("plan", "circles-svm")
    body = json.loads(run("plan", "circles-svm", "--json").out)

    assert "1 pair of classes to fit, 2 numbers per image" in said.err
    assert "of 1,800 training images become support vectors" in said.err
    assert body[0]["parameters"] is None
