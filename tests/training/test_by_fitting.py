"""A support vector machine as a run: fitted pair by pair, evaluated, recorded, stopped and gone on with."""

import pytest
from sklearn.svm import SVC

from revconsole.errors import RevconsoleError
from revconsole.records.logs.events import (
    Advised,
    Confused,
    EpochFinished,
    LoggedEvent,
    Measured,
    Started,
)
from revconsole.records.runs.running import RunningSummary
from revconsole.training.api import cost
from revconsole.training.learning import by_fitting
from revconsole.training.learning.preparing import learning_of
from revconsole.training.questions import pace
from revconsole.training.questions.verify import verify

SVM = {"architecture": "svm"}


@pytest.fixture
def machine(small):
    """A function: the small plan with a support vector machine."""
    return lambda **given: type(small())(
        **small().model_dump(exclude={"model"})
        | {"model": SVM | given.pop("model", {})}
        | {k: small().model_dump()[k] | v for k, v in given.items()}
    )


class Cut(Exception):  # noqa: N818  what happened, not what was wrong
    """The power went."""


def everything(split):
    images = split.preparation.standardisation(split.images)
    return images.flatten(1).numpy(), split.labels.numpy()


def test_a_run_says_what_scikit_learn_would(runner, machine, realise):
    log = runner(machine())
    (epoch,) = log.of(EpochFinished)
    data = realise().data
    theirs = SVC(break_ties=True).fit(*everything(data.train))

    test = theirs.score(*everything(data.test))
    assert log.ending.values["test_accuracy"] == pytest.approx(test)
    assert epoch.values["train_accuracy"] == pytest.approx(theirs.score(*everything(data.train)))
    assert epoch.values["validation_accuracy"] == pytest.approx(
        theirs.score(*everything(data.validation))
    )
    assert epoch.values["support_vectors"] == len(theirs.support_)


def test_it_has_no_loss_and_no_parameters_and_says_so(runner, machine):
    log = runner(machine())
    names = {name for e in (*log.of(Measured), *log.of(EpochFinished)) for name in e.values}
    names |= set(log.ending.values)
    (started,) = log.of(Started)

    assert not {name for name in names if "loss" in name or "gradient" in name}
    assert "parameters" not in started.facts
    assert started.facts["steps"] == 45
    assert sum("plays no part" in advised.text for advised in log.of(Advised)) == 1
    assert sum(map(sum, log.of(Confused)[0].counts)) == 360


def test_the_same_again_is_the_same_to_the_bit_and_another_cost_is_not(runner, machine):
    sums = [
        runner(machine(model=given), name).ending.weights_sha256
        for name, given in (("a", {}), ("b", {}), ("c", {"C": 0.5}))
    ]

    assert sums[0] == sums[1] != sums[2]


def test_cut_off_between_two_pairs_it_goes_on_to_the_same_machine(runner, machine):
    plan = machine(train={"checkpoint_steps": 10})

    def cut(event):
        if isinstance(event, Measured) and event.step == 25:
            raise Cut

    whole = runner(plan, "whole")
    with pytest.raises(Cut):
        runner(plan, "cut", cut)
    (kept, *_) = runner.checkpoints("cut").steps()
    assert 10 <= kept < 45
    rest = runner(plan, "cut")

    assert rest.of(Started)[0].resumed_from == kept
    assert rest.ending.weights_sha256 == whole.ending.weights_sha256
    assert rest.ending.values == whole.ending.values


def test_a_class_without_images_is_one_sentence(runner, machine):
    with pytest.raises(RevconsoleError, match=r"no training image is of class '\d'.*train_limit"):
        runner(machine(data={"train_limit": 9}))


def test_too_many_images_are_refused_with_a_number_that_fits(runner, machine, monkeypatch):
    monkeypatch.setattr(by_fitting, "MOST_IMAGES", 20)

    with pytest.raises(RevconsoleError, match=r"limit of 20; set data.train_limit=\d+"):
        runner(machine())


def test_a_fit_that_takes_long_is_announced(runner, machine, monkeypatch):
    assert not [a for a in runner(machine()).of(Advised) if a.level == "warning"]
    monkeypatch.setattr(by_fitting, "SLOW_SECONDS", 0.0)

    assert any("square of the images" in a.text for a in runner(machine(), "b").of(Advised))


def test_its_time_is_foretold_from_a_few_images(machine, tmp_path):
    assert 0 < pace.kept(machine(), data=tmp_path).seconds(1) < 30


def test_nothing_is_counted_that_is_not_known_before_the_fit(machine):
    counted = cost(machine())

    assert {v for k, v in counted.items() if k != "multiply_adds_note"} == {None}
    assert "known once it is fitted" in counted["multiply_adds_note"]


def test_it_cannot_be_verified(machine, tmp_path):
    with pytest.raises(RevconsoleError, match="svm is fitted and has no gradient"):
        next(verify(machine(), data=tmp_path))


def test_where_memory_runs_out_fewer_images_are_advised(machine):
    (way,) = learning_of(machine()).plain_suggestions(machine())

    assert way.settings == "data.train_limit=64"


@pytest.mark.parametrize("data", [{}, {"dataset": "moons"}])
def test_a_fit_says_what_it_will_still_take_with_its_evaluations_in_it(runner, machine, data):
    """Of two classes there is one pair, and an evaluation to come."""
    log = runner(machine(data=data))
    said = [e for e in log.of(Measured) if "seconds_left" in e.values]
    assert said[-1].step == log.ending.step
    assert log.events.index(said[-1]) < log.events.index(log.of(EpochFinished)[0])
    assert all(event.values["seconds_left"] > 0 for event in said)

    running = RunningSummary()
    running.begin_attempt()
    for seq, event in enumerate(log.events[: log.events.index(said[-1]) + 1], 1):
        running.add(LoggedEvent(seq=seq, time=0.0, elapsed=float(seq), event=event))
    assert running.eta_seconds() == pytest.approx(said[-1].values["seconds_left"])


def test_a_run_of_steps_says_nothing_of_the_kind(runner, small):
    assert not any("seconds_left" in e.values for e in runner(small()).of(Measured))
