"""Advice while a run trains, on logs of real runs: right, at once, once, and never about a healthy run."""

import json
from pathlib import Path

import pytest

from revconsole.records.events import Advised, EpochFinished, Measured
from revconsole.training.watching import Seen, Subject, Watch

WATCHED = Path(__file__).with_name("watched")
"""Made by `record.py` in it."""
METRICS = ("loss", "learning_rate", "gradient_norm", "resident_bytes")


def logged(name: str):
    return json.loads((WATCHED / f"{name}.json").read_text())


def names(*, healthy: bool) -> list[str]:
    found = sorted(path.stem for path in WATCHED.glob("*.json"))
    return [name for name in found if logged(name)["healthy"] == healthy]


def events(log):
    """Steps and ends of epochs in the order in which they were recorded."""
    ends = {epoch["step"]: epoch for epoch in log["epochs"]}
    for step, epoch, *values in log["steps"]:
        known = {k: v for k, v in zip(METRICS, values, strict=True) if v is not None}
        yield Measured(step=step, epoch=epoch, values=known)
        if step in ends:
            scores = {k: v for k, v in ends[step].items() if k not in {"epoch", "step"}}
            yield EpochFinished(epoch=ends[step]["epoch"], step=step, values=scores)


def said(name: str) -> list[tuple[int, Advised]]:
    """What the watch says of a recorded run, each with the step at which it says it."""
    log = logged(name)
    watch = Watch(Subject(**log["subject"]), Seen())
    return [(event.step, advised) for event in events(log) for advised in watch.look(event)]


@pytest.mark.parametrize("name", names(healthy=True))
def test_nothing_is_said_of_a_healthy_run(name):
    assert [(step, advised.text) for step, advised in said(name)] == []


@pytest.mark.parametrize(
    ("name", "rule", "parts"),
    [
        ("rate-100-sgd", "diverged", ["a tenth of the learning rate (10)"]),
        ("rate-10-sgd", "diverged", ["a tenth of the learning rate (1)"]),
        ("rate-1-adamw", "diverged", ["a tenth of the learning rate (0.1)"]),
        ("rate-5-mlp", "diverged", ["a tenth of the learning rate (0.5)"]),
        ("diverged-in-few-steps", "diverged", ["a tenth of the learning rate"]),
        ("mae-diverged", "diverged", ["a tenth of the learning rate"]),
        ("rate-too-low", "at chance", ["too low", "try ten times it (1e-06)"]),
        ("rate-too-low-sgd", "at chance", ["too low", "try ten times it (1e-05)"]),
        ("deep-without-warm-up", "at chance", ["too high", "a warm-up"]),
        ("rate-decays", "at chance", ["decayed to nothing", "fall more slowly"]),
        ("rate-decays-late", "rate decayed", ["less than a thousandth of its highest value"]),
        ("only-the-shares", "at chance", ["of the most frequent class (9", "too low"]),
        ("labels-at-random", "at chance", ["labels look random"]),
        ("memorised-labels", "at chance", ["labels look random"]),
        ("over-fitting", "over-fitting", ["the validation loss rose"]),
        ("memory-grows", "memory grows", ["MiB were held between steps"]),
    ],
)
def test_what_goes_wrong_is_said_once_and_in_the_right_direction(name, rule, parts):
    texts = [advised.text for _, advised in said(name) if advised.rule == rule]

    assert len(texts) == 1
    for part in parts:
        assert part in texts[0]


@pytest.mark.parametrize("name", names(healthy=False))
def test_a_sick_run_gets_no_advice_that_contradicts_another(name):
    """At most one thing is wrong with the learning rate."""
    rules = [advised.rule for _, advised in said(name)]

    assert len(rules) == len(set(rules))
    assert not {"diverged", "at chance"} <= set(rules)


@pytest.mark.parametrize("name", ["rate-100-sgd", "rate-10-sgd", "rate-5-mlp"])
def test_a_divergence_is_said_at_once(name):
    """Within the steps that are judged together, and some in which the loss went up."""
    ((step, advised),) = [pair for pair in said(name) if pair[1].level == "alarm"]

    assert advised.rule == "diverged"
    assert step <= 40


@pytest.mark.parametrize("name", [*names(healthy=False), "vit"])
def test_a_run_that_is_resumed_anywhere_is_told_the_same_and_nothing_twice(name):
    log, whole = logged(name), said(name)
    subject, stream = Subject(**log["subject"]), list(events(log))
    for cut in range(0, len(stream), 7):
        first, told = Watch(subject, Seen()), []
        for event in stream[:cut]:
            told += [(event.step, advised) for advised in first.look(event)]
        kept = json.loads(json.dumps(first.seen.to_dict()))
        second = Watch(subject, Seen.from_dict(kept))
        for event in stream[cut:]:
            told += [(event.step, advised) for advised in second.look(event)]
        assert told == whole


SUBJECT = Subject(
    steps=1000, steps_per_epoch=20, images=1000, guessing_loss=2.3, guessing_accuracy=0.1
)


def step(number: int, loss: float, rate: float = 1e-3) -> Measured:
    values = {"loss": loss, "learning_rate": rate, "gradient_norm": 1.0}
    return Measured(step=number, epoch=1, values=values)


def test_an_alarm_is_taken_back_when_a_diverged_run_learns_again():
    losses = [2.3, *[50.0] * 40, *[1.0] * 40]
    watch = Watch(SUBJECT, Seen())

    told = [a for n, loss in enumerate(losses, start=1) for a in watch.look(step(n, loss))]

    assert [(a.level, a.rule) for a in told] == [("alarm", "diverged"), ("note", "diverged")]


def test_a_spike_is_no_divergence():
    losses = [2.3, *[2.0] * 30, *[80.0] * 9, *[2.0] * 30]
    watch = Watch(SUBJECT, Seen())

    assert [a for n, loss in enumerate(losses, start=1) for a in watch.look(step(n, loss))] == []


def test_a_loss_that_falls_from_far_above_is_no_divergence():
    losses = [40.0 * 0.95**n for n in range(60)]
    watch = Watch(SUBJECT, Seen())

    assert [a for n, loss in enumerate(losses, start=1) for a in watch.look(step(n, loss))] == []


def test_a_run_is_not_judged_while_its_rate_still_rises():
    warming = Subject(
        steps=1000, steps_per_epoch=20, images=1000, guessing_loss=2.3, guessing_accuracy=0.1,
        warmup=900,
    )  # fmt: skip
    chance = {
        "validation_loss": 2.3,
        "validation_accuracy": 0.1,
        "train_loss": 2.3,
        "train_accuracy": 0.1,
    }
    for subject, says in ((SUBJECT, 1), (warming, 0)):
        watch, told = Watch(subject, Seen()), []
        for number in range(1, 401):
            told += watch.look(step(number, 2.3, rate=1e-6 * number))
            if number % 20 == 0:
                ended = EpochFinished(epoch=number // 20, step=number, values=chance)
                told += watch.look(ended)
        assert len(told) == says


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        (
            {
                "train_loss": 1.2,
                "train_accuracy": 0.6,
                "validation_loss": 3.9,
                "validation_accuracy": 0.1,
            },
            ["learns its training images and nothing that holds for others", "labels look random"],
        ),
        (
            {
                "train_loss": 2.9,
                "train_accuracy": 0.1,
                "validation_loss": 2.9,
                "validation_accuracy": 0.1,
            },
            ["the learning rate is too high: try a tenth of it (0.0001)"],
        ),
    ],
)
def test_the_cause_is_told_by_what_the_losses_show(values, parts):
    watch = Watch(SUBJECT, Seen())
    for number in range(1, 201):
        assert list(watch.look(step(number, 2.3))) == []

    (advised,) = watch.look(EpochFinished(epoch=10, step=200, values=values))

    assert advised.rule == "at chance"
    for part in parts:
        assert part in advised.text
