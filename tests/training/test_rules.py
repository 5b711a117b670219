"""Advice while a run trains, on logs of real runs: right, at once, once, and never about a healthy run."""

import dataclasses
import json
import math
import sys
from pathlib import Path

import pytest
import torch

from revconsole.records.logs.events import Advised, EpochFinished, Finished, Measured
from revconsole.training.advice import Watch, WatchedRun, WatchedSoFar
from revconsole.training.advice.rules import RULES
from revconsole.training.advice.subject import guessing

WATCHED = Path(__file__).with_name("watched")
"""Made by `record.py` in it."""
METRICS = ("loss", "learning_rate", "gradient_norm", "resident_bytes")
MOST_LINES = 2000
"""Lines of our code per report, at some tens of nanoseconds each; all rules together take well below a millisecond."""


def logged(name: str):
    return json.loads((WATCHED / f"{name}.json").read_text())


def names(*, healthy: bool) -> list[str]:
    found = sorted(path.stem for path in WATCHED.glob("*.json"))
    return [name for name in found if logged(name)["healthy"] == healthy]


def events(log):
    """Steps and ends of epochs in the order in which they were recorded."""
    ends = {epoch["step"]: epoch for epoch in log["epochs"]}
    reports, probes = reported(log)
    if 0 in probes:
        yield Measured(step=0, epoch=0, values=probes[0])
    for step, epoch, *values in log["steps"]:
        known = {k: v for k, v in zip(METRICS, values, strict=False) if v is not None}
        yield Measured(step=step, epoch=epoch, values=known | reports.get(step, {}))
        if step in ends:
            scores = {k: v for k, v in ends[step].items() if k not in {"epoch", "step"}}
            yield EpochFinished(epoch=ends[step]["epoch"], step=step, values=scores)
            if step in probes:
                yield Measured(step=step, epoch=epoch, values=probes[step])
    if log.get("ending"):
        yield Finished(outcome="completed", step=log["steps"][-1][0], values=log["ending"])


def reported(log):
    """Values of the meter's reports, and those of probes, by step."""
    reports, probes = {}, {}
    for entry in log.get("reports", []):
        values = {name: value for name, value in entry.items() if name != "step"}
        of_probe = "reconstruction_error" in values or not entry["step"]
        (probes if of_probe else reports)[entry["step"]] = values
    return reports, probes


def said(name: str) -> list[tuple[int, Advised]]:
    """What the watch says of a recorded run, each with the step at which it says it."""
    log = logged(name)
    watch = Watch(WatchedRun(**log["subject"]), WatchedSoFar())
    return [(event.step, advised) for event in events(log) for advised in watch.check(event)]


def test_the_false_alarms_over_the_library_of_healthy_runs_are_none():
    told = {name: [(step, a.text) for step, a in said(name)] for name in names(healthy=True)}

    assert len(told) >= 45
    assert sum(map(len, told.values())) == 0, {name: said for name, said in told.items() if said}


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
        ("only-the-shares", "class share", ["of the most frequent class (9", "too low"]),
        ("labels-at-random", "random labels", ["labels look random"]),
        ("memorised-labels", "random labels", ["labels look random"]),
        ("labels-40-percent-wrong", "noisy labels", ["look drawn at random", "57%"]),
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
    assert len({"diverged", "at chance", "class share", "random labels"} & set(rules)) <= 1


@pytest.mark.parametrize("name", ["rate-100-sgd", "rate-10-sgd", "rate-5-mlp"])
def test_a_divergence_is_said_at_once(name):
    """Within the steps that are judged together, and some in which the loss went up."""
    ((step, advised),) = [pair for pair in said(name) if pair[1].level == "alarm"]

    assert advised.rule == "diverged"
    assert step <= 40


@pytest.mark.parametrize("name", [*names(healthy=False), "vit"])
def test_a_run_that_is_resumed_anywhere_is_told_the_same_and_nothing_twice(name):
    log, whole = logged(name), said(name)
    subject, stream = WatchedRun(**log["subject"]), list(events(log))
    for cut in range(0, len(stream), 1 + len(stream) // 12):
        first, told = Watch(subject, WatchedSoFar()), []
        for event in stream[:cut]:
            told += [(event.step, advised) for advised in first.check(event)]
        kept = json.loads(json.dumps(first.seen.to_dict()))
        second = Watch(subject, WatchedSoFar.from_dict(kept))
        for event in stream[cut:]:
            told += [(event.step, advised) for advised in second.check(event)]
        assert told == whole


SUBJECT = WatchedRun(
    steps=1000, steps_per_epoch=20, images=1000, guessing_loss=2.3, guessing_accuracy=0.1
)


def step(number: int, loss: float, rate: float = 1e-3) -> Measured:
    values = {"loss": loss, "learning_rate": rate, "gradient_norm": 1.0, "resident_bytes": 1e8}
    return Measured(step=number, epoch=1, values=values)


def test_an_alarm_is_taken_back_when_a_diverged_run_learns_again():
    losses = [2.3, *[50.0] * 40, *[1.0] * 40]
    watch = Watch(SUBJECT, WatchedSoFar())

    told = [a for n, loss in enumerate(losses, start=1) for a in watch.check(step(n, loss))]

    assert [(a.level, a.rule) for a in told] == [("alarm", "diverged"), ("note", "diverged")]


def test_a_spike_is_no_divergence():
    losses = [2.3, *[2.0] * 30, *[80.0] * 9, *[2.0] * 30]
    watch = Watch(SUBJECT, WatchedSoFar())

    assert [a for n, loss in enumerate(losses, start=1) for a in watch.check(step(n, loss))] == []


def test_a_loss_that_falls_from_far_above_is_no_divergence():
    losses = [40.0 * 0.95**n for n in range(60)]
    watch = Watch(SUBJECT, WatchedSoFar())

    assert [a for n, loss in enumerate(losses, start=1) for a in watch.check(step(n, loss))] == []


def test_a_run_is_not_judged_while_its_rate_still_rises():
    warming = WatchedRun(
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
        watch, told = Watch(subject, WatchedSoFar()), []
        for number in range(1, 401):
            told += watch.check(step(number, 2.3, rate=1e-6 * number))
            if number % 20 == 0:
                ended = EpochFinished(epoch=number // 20, step=number, values=chance)
                told += watch.check(ended)
        assert len(told) == says


@pytest.mark.parametrize(
    ("rule", "values", "parts"),
    [
        (
            "random labels",
            {
                "train_loss": 1.2,
                "train_accuracy": 0.6,
                "validation_loss": 3.9,
                "validation_accuracy": 0.1,
            },
            ["what is learnt of the training images", "holds for no others", "labels look random"],
        ),
        (
            "at chance",
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
def test_the_cause_is_told_by_what_the_losses_show(rule, values, parts):
    watch = Watch(SUBJECT, WatchedSoFar())
    for number in range(1, 201):
        assert list(watch.check(step(number, 2.3))) == []

    (advised,) = watch.check(EpochFinished(epoch=10, step=200, values=values))

    assert advised.rule == rule
    for part in parts:
        assert part in advised.text


def ended(number: int, **values: float) -> EpochFinished:
    return EpochFinished(epoch=number // 20, step=number, values=values)


def told_at_chance(
    subject: WatchedRun, *, before: EpochFinished | None = None, rate=1e-3, **values
):
    """What the watch says of a run that has these scores after 400 steps, the loss of each as in training."""
    watch = Watch(subject, WatchedSoFar())
    if before is not None:
        list(watch.check(before))
    for number in range(1, 401):
        list(watch.check(step(number, 2.3, rate=rate)))
    return [advised.text for advised in watch.check(ended(400, **values))]


CHANCE = {"validation_loss": 2.31, "validation_accuracy": 0.1}
AT_CHANCE = {**CHANCE, "train_loss": 2.3, "train_accuracy": 0.1}
LEARNS = {"train_loss": 0.1, "train_accuracy": 1.0}


def test_too_few_images_to_judge_by_are_no_reason_to_call_a_network_that_learns_hopeless():
    few = dataclasses.replace(SUBJECT, images=10)

    assert told_at_chance(few, **CHANCE, **LEARNS) == []
    assert len(told_at_chance(few, **AT_CHANCE)) == 1
    assert len(told_at_chance(SUBJECT, **CHANCE, **LEARNS)) == 1


def test_an_average_that_still_holds_the_first_weights_is_not_judged_where_the_weights_learn():
    young = dataclasses.replace(SUBJECT, average=0.9999)
    old = dataclasses.replace(SUBJECT, average=0.9)

    assert told_at_chance(young, **CHANCE, **LEARNS) == []
    assert len(told_at_chance(young, **AT_CHANCE)) == 1
    assert len(told_at_chance(old, **CHANCE, **LEARNS)) == 1


def test_a_network_that_had_learnt_and_is_at_chance_now_is_told_that_the_rate_is_too_high():
    learnt = ended(
        20, validation_loss=0.9, validation_accuracy=0.7, train_loss=0.8, train_accuracy=0.8
    )

    (text,) = told_at_chance(SUBJECT, before=learnt, **AT_CHANCE)
    assert "the learning rate is too high: try a tenth of it (0.0001)" in text


def test_momentum_counts_when_a_rate_is_called_low():
    plain = dataclasses.replace(SUBJECT, adaptive=False)
    with_momentum = dataclasses.replace(plain, momentum=0.9)

    (text,) = told_at_chance(plain, rate=0.05, **AT_CHANCE)
    assert "seems too low" in text
    (text,) = told_at_chance(with_momentum, rate=0.05, **AT_CHANCE)
    assert "labels look random" in text


def test_a_clip_that_takes_the_weights_nowhere_is_not_taken_for_random_labels():
    clipped = dataclasses.replace(SUBJECT, adaptive=False, momentum=0.9, clipped=True, clip=1e-4)

    (text,) = told_at_chance(clipped, rate=0.05, **AT_CHANCE | {"train_loss": 2.299})
    assert "labels" not in text
    assert text.endswith(
        "400 of them take the weights nowhere; clip at 2, where only rare gradients are cut"
    )


@pytest.mark.parametrize(("batch", "said"), [(2, 0), (64, 1)])
def test_units_that_are_at_zero_for_two_images_are_not_called_dead(batch, said):
    watch, told = Watch(dataclasses.replace(SUBJECT, batch=batch), WatchedSoFar()), []
    for number in range(1, 60):
        event = step(number, 1.0)
        idle = event._replace(values={**event.values, "dead_share": 0.5})
        told += [advised.rule for advised in watch.check(idle)]
    assert told.count("dead units") == said


def test_nothing_is_advised_that_is_done_already():
    careful = dataclasses.replace(SUBJECT, warmup=10, clipped=True)
    for subject, remedy in (
        (SUBJECT, "(0.0001), a warm-up, or train.clip=1"),
        (careful, "(0.0001), or a longer warm-up"),
    ):
        watch = Watch(subject, WatchedSoFar())
        told = [a for n in range(1, 60) for a in watch.check(step(n, 2.3 if n < 3 else 50.0))]
        assert told[0].text.endswith(remedy)


def test_one_epoch_with_a_high_validation_loss_is_no_over_fitting():
    watch, told = Watch(SUBJECT, WatchedSoFar()), []
    for epoch in range(1, 20):
        scores = {"validation_loss": 1.5 if epoch == 12 else 0.5, "train_loss": 1.0 / epoch}
        told += watch.check(EpochFinished(epoch=epoch, step=20 * epoch, values=scores))

    assert told == []


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_guessing_knows_the_shares_of_the_labels_it_learns_from(realise, smoothing):
    labels = torch.tensor([0] * 98 + [1] * 2)
    split = dataclasses.replace(realise().data.train, labels=labels, classes=2)

    loss, accuracy = guessing(split, split, smoothing=smoothing)

    many, few = 0.98 * (1 - smoothing) + smoothing / 2, 0.02 * (1 - smoothing) + smoothing / 2
    assert loss == pytest.approx(-0.98 * math.log(many) - 0.02 * math.log(few))
    assert accuracy == pytest.approx(0.98)


def test_all_rules_together_cost_next_to_nothing():
    """Counted, not timed: lines of our code that run for a report of the meter with 50 steps, in a long history."""
    log, watch, lines = logged("memorised-labels"), None, 0

    def count(frame, event, _argument):
        nonlocal lines
        lines += event == "line" and "revconsole" in frame.f_code.co_filename
        return count

    watch = Watch(WatchedRun(**log["subject"]), WatchedSoFar())
    stream = list(events(log))
    for event in stream[:-60]:
        list(watch.check(event))
    reports = [step for step in stream[-60:] if "resident_bytes" in step.values]
    sys.settrace(count)
    try:
        for report in reports:
            list(watch.check(report))
    finally:
        sys.settrace(None)

    assert reports
    assert lines / len(reports) < MOST_LINES


def test_the_scaler_is_said_to_skip_where_one_step_in_twenty_overflows():
    """As fp16 records it on a GPU: a norm that is not finite is a step that was skipped."""
    scaled = dataclasses.replace(SUBJECT, scaled=True)
    for every, says in ((50, 0), (10, 1)):
        watch, told = Watch(scaled, WatchedSoFar()), []
        for number in range(1, 301):
            norm = math.inf if number % every == 0 else 1.0
            values = dict(step(number, 2.0 - number / 400).values) | {"gradient_norm": norm}
            told += watch.check(Measured(step=number, epoch=1, values=values))
        assert [a.rule for a in told] == ["scaler skips"] * says


def test_a_gpu_is_said_to_idle_or_to_wait_for_data_by_what_the_host_waits_for():
    card = dataclasses.replace(SUBJECT, device="cuda", batch=64)
    for data_wait, device_wait, says in (
        (0.5, 0.01, ["data slow"]),
        (0.5, 0.4, []),
        (0.01, 0.0, ["device idle"]),
        (0.01, 0.6, []),
    ):
        watch, told = Watch(card, WatchedSoFar()), []
        waits = {"data_wait": data_wait, "device_wait": device_wait}
        for number in range(1, 121):
            values = dict(step(number, 2.3 * 0.99**number).values)
            if number % 10 == 0:
                values |= waits | {"images_per_second": 1000.0}
            else:
                values.pop("resident_bytes")
            told += watch.check(Measured(step=number, epoch=1, values=values))
        assert [a.rule for a in told] == says


def test_data_is_said_to_be_slow_also_where_five_reports_take_less_than_a_second():
    """A report ends with the epoch, so five of them are over in no time where an epoch has few images."""
    for reports, says in ((8, []), (24, ["data slow"])):
        watch, told = Watch(dataclasses.replace(SUBJECT, batch=64), WatchedSoFar()), []
        for number in range(1, reports + 1):
            waits = {"data_wait": 0.6, "images_per_second": 640.0}  # a tenth of a second each
            values = dict(step(number, 2.3 * 0.99**number).values) | waits
            told += watch.check(Measured(step=number, epoch=number, values=values))
        assert [a.rule for a in told] == says


def test_every_rule_says_when_it_speaks_and_has_a_name_of_its_own():
    names = [rule.name for rule in RULES]

    assert len(names) == len(set(names)) >= 25
    for rule in RULES:
        document = sys.modules[rule.look.__module__].__doc__ or ""
        assert "Speaks " in document
        assert rule.unless <= set(names)


NEVER = "never predicted"
NAMES = tuple("abcdefghij")


@pytest.mark.parametrize(
    ("missed", "names", "words"),
    [
        ([[3]] * 5, NAMES, "class 'd' is never predicted"),
        ([[3, 5], [3], [3, 4], [3], [1, 3]], NAMES, "class 'd' is never predicted"),
        ([[3, 5]] * 5, NAMES, "the classes 'd' and 'f' are never predicted"),
        ([[3]] * 5, (), "class 3 is never predicted"),
        ([[*range(7)]] * 5, NAMES, "the classes 'a', 'b', 'c', 'd', 'e' and 2 more are never predicted"),
        ([[3], [4], [5], [6], [7]], NAMES, None),
        ([[3]] * 4 + [[]], NAMES, None),
        ([[3]] * 4, NAMES, None),
    ],
)  # fmt: skip
def test_classes_that_were_predicted_in_none_of_five_epochs_are_named(missed, names, words):
    watch, told = Watch(dataclasses.replace(SUBJECT, names=names), WatchedSoFar()), []
    for epoch, numbers in enumerate(missed, 20):
        scores = {"validation_accuracy": 0.8, "validation_loss": 0.5, "train_loss": 0.5}
        watch.seen.step = 20 * epoch
        told += watch.check(
            EpochFinished(epoch=epoch, step=20 * epoch, values=scores, unpredicted=numbers)
        )

    assert [a.text.partition(":")[0] for a in told if NEVER in a.text] == ([words] if words else [])
