"""Reports: numbers that a second computation confirms, text that stays text, figures that show what was measured."""

import csv
import io
import math
import random
import re
import shutil
import statistics
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from scipy import special

from revconsole.errors import RevconsoleError, UnknownName
from revconsole.lab.report import results as reported
from revconsole.lab.report import wording, writing
from revconsole.lab.report.document import document
from revconsole.lab.report.drawing import drawn
from revconsole.lab.report.figures import (
    accuracy_curves,
    accuracy_memory,
    accuracy_swept,
    accuracy_time,
    attention,
    confusion,
    curves,
    loss_curves,
    memory_bars,
    positions,
)
from revconsole.lab.report.formats import as_csv, as_html, as_latex, as_markdown
from revconsole.lab.report.methods import paragraph
from revconsole.lab.report.notes import BUSY, LAST_TESTED
from revconsole.lab.report.numbers import arm_rows
from revconsole.lab.report.statistics import MeanDifference, difference, spread
from revconsole.lab.report.table import COLUMNS, accuracy, table
from revconsole.lab.report.wording import verdict
from revconsole.records.findings.inspection import Attended, AttentionRollout, Inspection, Positions
from revconsole.records.findings.samples import Picture
from revconsole.records.logs.clock import StepTimes
from revconsole.records.logs.events import (
    EpochFinished,
    Finished,
    Measured,
    MetricDeclared,
    Started,
)
from revconsole.records.logs.noise import BEFORE, CLEAN
from revconsole.records.runs.run import Confusion, LogLine
from revconsole.records.sections import Data, Train
from revconsole.records.sections.model import Vit
from revconsole.records.sections.objective import Mae
from revconsole.records.sections.scheme import AdditiveSection
from revconsole.records.settings.plan import Plan

MIB = 2**20
HOSTILE = "=x|<b>&_$%#{}~^\\`*[a](b)--"


@pytest.fixture
def finished(store):
    """`finished(plan, accuracies)` → a run that ended, with a validation accuracy per epoch."""

    def make(
        plan: Plan,
        accuracies,
        test=None,
        kept=8 * MIB,
        seconds=2.0,
        weights="",
        noise=CLEAN,
        **facts,
    ):
        run_id = store.create(plan, {})
        attempt = store.claim(run_id, 1)
        known = {
            "steps": len(accuracies), "parameters": 1234, "device": "cpu", "device_name": "a CPU",
            "threads": 2, "fingerprint": "f" * 64, "torch": "2.9", "timm": "1.0", "revconsole": "0.1",
            "train_images": 90, "validation_images": 10, "test_images": 30,
        } | facts  # fmt: skip
        attempt.emit(Started(facts=known))
        meaning = f"Share of training images classified correctly {BEFORE}{noise}."
        attempt.emit(
            MetricDeclared(
                name="train_accuracy", unit="", per="epoch", direction="up", meaning=meaning
            )
        )
        attempt.emit(
            Measured(
                step=0,
                epoch=0,
                values={"kept_for_backward_bytes": kept, "training_peak_bytes": 5e8},
            )
        )
        for epoch, value in enumerate(accuracies, start=1):
            values = {
                "validation_accuracy": value, "train_accuracy": value, "validation_loss": 1 - value,
                "train_loss": 1 - value, "epoch_seconds": seconds,
            }  # fmt: skip
            attempt.emit(EpochFinished(epoch=epoch, step=epoch, values=values))
        values = {"test_accuracy": accuracies[-1] if test is None else test}
        attempt.emit(
            Finished(
                outcome="completed", step=len(accuracies), values=values, weights_sha256=weights
            )
        )
        attempt.close()
        return store.read(run_id)

    return make


def plan(arm: str, seed: int, **given) -> Plan:
    return Plan(name=f"{arm}-s{seed}", seed=seed, **({"train": Train(epochs=2)} | given))


@pytest.fixture
def two_arms(finished):
    """Three seeds of two arms, whose test accuracies differ by 2, 3 and 4 points."""
    plain = [finished(plan("plain", s), [0.5, 0.6], 0.80 + s / 100) for s in range(3)]
    other = [
        finished(
            plan("rev", s, scheme=AdditiveSection(), backward="reversible"),
            [0.7, 0.6], 0.82 + 2 * s / 100, kept=MIB / 2, seconds=3.0,
        )
        for s in range(3)
    ]  # fmt: skip
    return reported.of_runs([*plain, *other])


def test_an_arm_without_labels_is_said_in_a_line_and_keeps_no_other_from_being_reported(finished):
    blind = finished(plan("blind", 0, objective=Mae()), [0.1])
    plain = finished(plan("plain", 0), [0.5, 0.6], 0.8)

    found = reported.of_runs([blind, plain])
    made = table(found)

    assert [row[0] for row in made.rows] == ["plain"]
    (line,) = [note for note in made.notes if note.startswith("blind: ")]
    assert "learns by mae, without labels, and so has no test accuracy" in line
    with pytest.raises(RevconsoleError, match="and blind-s0 learns by mae, without labels"):
        reported.of_runs([blind])


def paired_p_by_hand(gains):
    """Two-sided p of the paired t-test: t = mean / (s / √n), by the regularised incomplete beta function."""
    n = len(gains)
    mean = sum(gains) / n
    variance = sum((g - mean) ** 2 for g in gains) / (n - 1)
    t, freedom = mean / math.sqrt(variance / n), n - 1
    return special.betainc(freedom / 2, 0.5, freedom / (freedom + t * t))


@pytest.mark.parametrize("n", [3, 5, 10])
def test_p_of_a_difference_is_that_of_the_formula(n):
    draw = random.Random(n)
    baseline = {seed: draw.gauss(0.8, 0.01) for seed in range(n)}
    values = {seed: baseline[seed] + draw.gauss(0.01, 0.01) for seed in reversed(range(n))}

    found = difference(values, baseline)

    assert found.p == pytest.approx(paired_p_by_hand([values[s] - baseline[s] for s in range(n)]))
    assert found.mean == pytest.approx(sum(values.values()) / n - sum(baseline.values()) / n)


def test_a_spread_is_the_sample_deviation():
    found = spread([0.80, 0.82, 0.87])

    mean = (0.80 + 0.82 + 0.87) / 3
    squares = sum((v - mean) ** 2 for v in (0.80, 0.82, 0.87))
    assert found.mean == pytest.approx(mean)
    assert found.deviation == pytest.approx(math.sqrt(squares / 2))
    assert spread([0.8]).deviation is None
    assert spread([]) is None


@pytest.mark.parametrize(
    ("values", "baseline", "words"),
    [
        ({0: 0.9, 1: 0.9}, {0: 0.8, 1: 0.7}, "+15.00 pp (not tested: 2 seeds)"),
        ({0: 0.9}, {0: 0.8}, "+10.00 pp (not tested: 1 seed)"),
        ({0: 0.9, 1: 0.8, 2: 0.7}, {0: 0.8, 1: 0.8, 2: 0.9, 3: 0.9}, "-5.00 pp (not tested: different seeds)"),
        ({0: 0.9, 1: 0.8, 2: 0.7}, {0: 0.8, 1: 0.7, 2: 0.6}, "+10.00 pp (not tested: the same for every seed)"),
        ({0: 0.80, 1: 0.82, 2: 0.81}, {0: 0.81, 1: 0.80, 2: 0.81}, "not distinguishable, p = 0.7"),
        ({0: 0.90, 1: 0.91, 2: 0.92}, {0: 0.80, 1: 0.80, 2: 0.80}, "+11.00 pp (p = 0.003)"),
    ],
)  # fmt: skip
def test_a_difference_says_whether_it_can_be_told_from_chance(values, baseline, words):
    assert words in verdict(difference(values, baseline))


@pytest.fixture
def with_copies(finished):
    """Three seeds of a network, and three of a machine that the seed changes nothing of."""
    network = [
        finished(plan("net", s), [0.5], 0.80 + s / 100, weights=f"{s}" * 64) for s in range(3)
    ]
    machine = [
        finished(plan("svm", s, model={"architecture": "svm"}), [0.5], 0.83, weights="a" * 64)
        for s in range(3)
    ]
    return reported.of_runs([*network, *machine])


def test_runs_that_are_copies_are_one_answer_in_every_format(with_copies):
    net, svm = arm_rows(with_copies)
    made = document(with_copies)
    head, _, line = csv.reader(io.StringIO(as_csv.render(made), newline=""))
    cells = dict(zip(head, line, strict=True))

    assert (net.accuracy.n, svm.accuracy.n, svm.accuracy.deviation) == (3, 1, None)
    assert verdict(svm.gain) == "+2.00 pp (not tested: several seeds gave one result)"
    assert (
        dict(zip(made.table.headings, made.table.rows[1], strict=True))["test accuracy"]
        == "83.00 %"
    )
    assert cells["test accuracy sample deviation (%)"] == cells["p of paired t-test"] == ""
    assert cells["distinguishable"] == "not tested: several seeds gave one result"
    assert cells["seeds that repeat the answer of another"] == "2"
    for module in (as_markdown, as_latex, as_html):
        text = module.render(made)
        assert "count as one result: svm" in text
        assert "t-test" not in text
        assert "distinguishable" not in text


def test_copies_are_one_answer_also_where_old_runs_recorded_no_hash(finished):
    runs = [finished(plan("svm", s, model={"architecture": "svm"}), [0.5], 0.83) for s in range(2)]

    (row,) = arm_rows(reported.of_runs(runs))

    assert row.accuracy.n == 1


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_no_format_speaks_of_a_test_that_nobody_made(finished, seeds):
    runs = [
        finished(plan(a, s, model=Vit(depth=d)), [0.5], 0.8 + s / 50 + d / 100)
        for a, d in (("a", 2), ("b", 4))
        for s in seeds
    ]
    made = document(reported.of_runs(runs))

    for module in (as_markdown, as_latex, as_csv, as_html):
        text = module.render(made).replace("p of paired t-test", "").replace(",distinguishable", "")
        assert "t-test" not in text
        assert "distinguishable" not in text
        why = f"{len(seeds)} seed"
        assert f"not tested: {why}" in text or f"Not tested against a: b ({why}" in text
    first = dict(zip(made.table.headings, made.table.rows[0], strict=True))
    assert ("± " in first["test accuracy"]) == (len(seeds) == 2), (
        "a deviation of one value there is not"
    )


def test_a_tiny_p_is_not_printed_as_nothing():
    assert "p < 0.001" in verdict(MeanDifference(mean=0.1, pairs=9, p=1e-9))


def test_an_accuracy_is_in_percent_and_never_rounded_up_to_all():
    assert accuracy(spread([0.548])) == "54.80 %"
    assert accuracy(spread([0.54, 0.56])) == "55.00 ± 1.41 %"
    assert accuracy(spread([0.99999])) == "99.99 %"
    assert accuracy(spread([1.0])) == "100.00 %"


def test_runs_that_differ_in_their_seed_alone_are_one_arm(two_arms):
    assert [(arm.name, len(arm.runs)) for arm in two_arms.arms] == [("plain", 3), ("rev", 3)]
    assert two_arms.reference.name == "plain"


def test_arms_called_alike_are_told_apart_by_the_settings_they_differ_in(finished):
    runs = [
        finished(Plan(name="a", seed=n, model=Vit(depth=d)), [0.5]) for d in (2, 4) for n in (0, 1)
    ]
    other = finished(Plan(name="b", model=Vit(depth=8)), [0.5])

    found = reported.of_runs([*runs, other])

    assert [(arm.name, len(arm.runs)) for arm in found.arms] == [
        ("a, depth 2", 2),
        ("a, depth 4", 2),
        ("b", 1),
    ]
    assert found.reference.name == "a, depth 2"
    assert found.title == "a, depth 2; a, depth 4; b"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"
    assert wording.listed([arm.name for arm in found.arms]) == "a, depth 2; a, depth 4; and b"


def test_the_numbers_of_an_arm_are_those_of_its_runs(two_arms):
    plain, rev = arm_rows(two_arms)
    gains = [0.02, 0.03, 0.04]

    assert plain.accuracy.mean == pytest.approx(0.81)
    assert plain.accuracy.deviation == pytest.approx(0.01)
    assert (plain.kept_bytes, rev.kept_bytes) == (8 * MIB, MIB / 2)
    assert (plain.epoch_seconds, rev.epoch_seconds) == (2.0, 3.0)
    assert (plain.best_epochs, rev.best_epochs) == ((2, 2, 2), (1, 1, 1))
    assert plain.gain is None
    assert rev.gain.mean == pytest.approx(statistics.fmean(gains))
    assert rev.gain.p == pytest.approx(paired_p_by_hand(gains))


def test_the_table_has_units_and_leaves_out_what_nobody_measured(two_arms):
    shown = table(two_arms)
    rev = dict(zip(shown.headings, shown.rows[1], strict=True))

    assert rev["test accuracy"] == "84.00 ± 2.00 %"
    assert rev["kept for backward"] == "0.50 MiB"
    assert rev["peak memory"] == "477 MiB"
    assert (rev["difference to plain"], rev["p"]) == ("+3.00 pp", "0.035")
    assert rev["best epoch"] == "1 of 2"
    assert not any("FLOPs" in heading for heading in shown.headings)
    assert any("resident, above what was there before" in note for note in shown.notes)


@pytest.mark.parametrize(
    ("quick", "heading"), [(False, "reported"), (True, "reported, of the full form")]
)
def test_what_others_reported_stands_beside_what_was_found(two_arms, quick, heading):
    arms = (replace(two_arms.arms[0], reported=88.15), two_arms.arms[1])
    results = replace(two_arms, arms=arms, quick=quick)
    shown = table(results)
    line = next(csv.DictReader(io.StringIO(as_csv.render(document(results)))))

    place = shown.headings.index(heading)
    assert [row[place] for row in shown.rows] == ["88.15 %", ""]
    assert float(line[f"{heading} (%)"]) == pytest.approx(88.15)
    assert "88.15 &" in as_latex.render(document(results))
    assert not any("reported" in heading for heading in table(two_arms).headings)


def test_operations_are_shown_in_both_conventions_where_they_were_counted(finished):
    counted = finished(plan("a", 0), [0.5], multiply_adds_per_image=17_563_137_024)
    results = reported.of_runs([counted, finished(plan("b", 0, model=Vit(depth=2)), [0.5])])

    shown = table(results)
    head, first, second = csv.reader(io.StringIO(as_csv.render(document(results)), newline=""))

    at = shown.headings.index("multiply-adds (FLOPs) per image")
    assert [row[at] for row in shown.rows] == ["17.6 G (35.1 G)", "–"]
    assert first[head.index("multiply-adds per image")] == "17563137024"
    assert first[head.index("FLOPs per image (multiplications and additions)")] == "35126274048"
    assert second[head.index("multiply-adds per image")] == ""


def test_a_quick_form_says_so_in_title_rows_notes_figures_and_methods(finished):
    quick = Plan(name="q", study="s", arm="x", quick=True)
    found = reported.of_runs([finished(quick, [0.5])])
    shown = table(found)

    assert "quick form" in shown.caption
    assert shown.rows[0][0] == "x (quick)"
    assert "no result of the full" in shown.notes[0]
    assert "quick form" in paragraph(found)
    assert "Quick form" in loss_curves.caption(found)


def test_runs_that_differ_in_their_name_alone_are_one_arm_and_it_is_said(finished):
    runs = [
        finished(Plan(name=f"{n}-s{s}", seed=s), [0.5]) for n, s in (("a", 0), ("b", 1), ("b", 1))
    ]

    found = reported.of_runs(runs)
    notes = table(found).notes

    assert [(arm.name, len(arm.runs)) for arm in found.arms] == [("a", 2)]
    assert "a: runs called a and b are one arm; nothing but their names differs." in notes
    assert (
        f"a: of runs of the same settings and seed the newest counts; left out: {runs[1].id}."
        in notes
    )


def test_runs_that_have_not_finished_are_named_with_their_state(finished, store):
    waiting = store.read(store.create(plan("a", 1), {}))
    shown = table(reported.of_runs([finished(plan("a", 0), [0.5]), waiting]))

    assert shown.rows[0][shown.headings.index("seeds")] == "1 of 2"
    assert f"Not finished, and so not counted: a-s1 ({waiting.summary.state})." in shown.notes


def test_a_baseline_without_a_run_is_said_and_the_differences_are_to_another(two_arms):
    notes = table(replace(two_arms, baseline="gone")).notes

    assert "The baseline gone has no finished run; differences are to plain." in notes


def test_what_happened_to_runs_stands_below_the_table(finished):
    patient = finished(plan("a", 0, train=Train(epochs=9, patience=1)), [0.5, 0.4])
    lines = [
        LogLine(time=0.0, level="note", text=f"4.0 {BUSY} during the last minute"),
        LogLine(time=1.0, level="alarm", text="the loss is not a number"),
        LogLine(time=2.0, level="warning", text=f"best weights gone; {LAST_TESTED}"),
    ]
    longer = patient.plan.model_copy(update={"lengthened": [4]})
    resumed = replace(patient.summary, attempt=3, plan=longer)
    notes = table(reported.of_runs([replace(patient, summary=resumed, log=tuple(lines))])).notes

    for words in (
        "Ended before the last planned epoch (train.patience): after 2 of 9.",
        "Lengthened by resume, up to the old end as it was planned: from 4 to 9 epochs.",
        "Interrupted and resumed: a.",
        "The machine was busy with other work, so seconds are not comparable: a.",
        "Alarm of a: the loss is not a number",
        "Tested with the weights of the last step, because those of the best epoch were not there: a.",
    ):
        assert words in notes


def test_what_an_earlier_attempt_ran_on_is_kept_with_the_run(store):
    run_id = store.create(plan("a", 0), {})
    for number, device in ((1, "cpu"), (2, "cuda:0")):
        attempt = store.claim(run_id, number)
        attempt.emit(Started(facts={"device": device, "torch": "2.9"}, resumed_from=1))
        attempt.emit(Finished(outcome="stopped", step=1))
        attempt.close()

    run = store.read(run_id)

    assert (run.facts["device"], run.earlier) == ("cuda:0", {"device": ("cpu",)})


def test_what_a_report_looks_for_is_what_runs_say(monkeypatch):
    from revconsole.training.checkpoints import (
        policy,
    )  # torch, which the other tests here do without
    from revconsole.training.checks import advice

    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 99.0, 99.0))
    setting = SimpleNamespace(device=SimpleNamespace(type="cpu"))

    assert BUSY in advice.busy(setting).text
    assert policy.INSTEAD.endswith(LAST_TESTED)


def test_an_arm_in_quick_form_among_others_is_said_of_it_alone(finished):
    quick = finished(Plan(name="q", study="s", arm="x", quick=True), [0.5])
    found = reported.of_runs([quick, finished(plan("full", 0, model=Vit(depth=2)), [0.5])])
    shown = table(found)

    assert [row[0] for row in shown.rows] == ["x (quick)", "full"]
    assert "quick" not in shown.caption
    assert shown.notes[0].startswith("x: quick form")
    assert "Quick form" not in loss_curves.caption(found)
    assert "Of x: quick form" in paragraph(found)


def test_nothing_finished_is_a_sentence(store):
    run = store.read(store.create(Plan(name="a"), {}))

    with pytest.raises(RevconsoleError, match="none of these runs has finished"):
        reported.of_runs([run])


def test_the_methods_say_what_was_done(two_arms):
    text = paragraph(two_arms)

    for words in (
        "a vision transformer (vit; patch 4, dim 192, depth 6",
        "The arms were plain (scheme residual, backward stored)",
        "rev (scheme additive (fuse concat), backward reversible)",
        "90 training, 10 validation, 30 test images of 8×8 pixels",
        "f" * 64,
        "for 2 epochs, with a batch of 128",
        "optimiser adamw (learning rate",
        "seeds 0, 1 and 2",
        "two-sided paired t-test",
        "cpu (a CPU) with 2 threads",
        "revconsole 0.1, torch 2.9, timm 1.0",
    ):
        assert words in text, words


def test_the_methods_say_of_images_what_was_done_and_not_what_was_left_undone(finished):
    idle = Data(crop_padding=2, zca_eps=0.5, test_limit=20)
    plain = paragraph(reported.of_runs([finished(plan("a", 0, data=idle), [0.5])]))
    done = Data(flip=True, mixup=0.2, standardise="zca")
    mixed = paragraph(reported.of_runs([finished(plan("b", 0, data=done), [0.5])]))

    assert "; standardise per-channel, without augmentation." in plain
    assert ", the test images to 20 of theirs" in plain
    assert "; flip on, mixup 0.2, standardise zca, zca eps 0.1." in mixed


def test_the_methods_say_how_long_and_on_what_it_trained(finished):
    train = Train(steps=5000, patience=3, average=0.99, freeze="backbone")
    text = paragraph(reported.of_runs([finished(plan("a", 0, train=train), [0.5])]))

    assert (
        "Training ran for at most 5,000 optimiser steps, ended after 3 epochs without a better"
        in text
    )
    assert "a moving average of the weights judged (decay 0.99), backbone frozen" in text


def test_a_swept_setting_is_said_of_its_arms_and_not_of_all(finished):
    runs = [finished(plan(f"d{d}", 0, model=Vit(dim=d)), [0.5]) for d in (12, 24)]
    text = paragraph(reported.of_runs(runs))

    assert "d12 (dim 12)" in text
    assert "d24 (dim 24)" in text
    assert "(vit; patch 4, depth 6" in text


@pytest.fixture
def hostile(finished):
    """An arm whose name every format would obey if it were not told otherwise."""
    runs = [
        finished(Plan(name="b", arm="plain"), [0.5]),
        finished(Plan(name="h", arm=HOSTILE, scheme=AdditiveSection()), [0.4]),
    ]
    return document(reported.of_runs(runs))


class Cells(HTMLParser):
    """The text of every cell, and every tag there is."""

    def __init__(self):
        super().__init__()
        self.tags, self.cells = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag in {"td", "th"}:
            self.cells.append("")

    def handle_data(self, data):
        if self.cells and self.tags[-1] in {"td", "th"}:
            self.cells[-1] += data


def test_a_name_stays_a_name_in_html(hostile):
    parser = Cells()
    parser.feed(as_html.render(hostile))

    assert HOSTILE in parser.cells
    assert "b" not in parser.tags[parser.tags.index("table") :]


def test_a_name_stays_a_name_in_csv_and_is_no_formula(hostile):
    head, _, row = list(csv.reader(io.StringIO(as_csv.render(hostile), newline="")))
    cells = dict(zip(head, row, strict=True))

    assert cells["arm"] == f"'{HOSTILE}"
    assert float(cells["difference to plain (percentage points)"]) == pytest.approx(-10.0)
    assert float(cells["test accuracy mean (%)"]) == pytest.approx(40.0)
    assert float(cells["kept for backward (MiB)"]) == 8.0


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝"])
def test_whatever_begins_a_formula_gets_an_apostrophe(finished, start):
    text = as_csv.render(
        document(reported.of_runs([finished(Plan(name="b", arm=f"{start}1+1"), [0.5])]))
    )

    assert f"\r\n'{start}1+1" in text


def test_a_name_stays_a_name_in_latex(hostile):
    text = as_latex.render(hostile)
    row = next(line for line in text.splitlines() if line.lstrip().startswith("=x"))
    cell = row.lstrip().partition(" & ")[0]

    assert cell == (
        r"=x\textbar{}\textless{}b\textgreater{}\&\_\$\%\#\{\}\textasciitilde{}\textasciicircum{}"
        r"\textbackslash{}\textasciigrave{}*[a](b)-{}-"
    )
    assert not re.search(r"(?<!\\)[%#$_&~^]", cell)
    assert text.count("{") == text.count("}"), "braces escaped and meant both balance"
    heading = next(line for line in text.splitlines() if line.lstrip().startswith("arm &"))
    assert len(re.findall(r"(?<!\\)&", row)) == heading.count(" & "), "no name adds a column"


def test_a_name_stays_a_name_in_markdown(hostile):
    text = as_markdown.render(hostile)
    row = next(line for line in text.splitlines() if line.startswith("| =x"))
    cells = re.split(r"(?<!\\)\|", row)[1:-1]

    assert len(cells) == len(hostile.table.headings)
    assert re.sub(r"\\(.)", r"\1", cells[0].strip()).replace("&amp;", "&") == HOSTILE
    assert "<b>" not in text
    assert "[a](b)" not in text


def test_control_signs_reach_no_format(finished):
    run = finished(Plan(name="b", arm="a\x1b[31m\nb\u202ec"), [0.5])
    made = document(reported.of_runs([run]))

    for module in (as_markdown, as_latex, as_csv, as_html):
        text = module.render(made)
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_a_band_is_mean_and_deviation_of_every_epoch(finished):
    runs = [finished(plan("a", s), values) for s, values in enumerate(([0.1, 0.4], [0.3, 0.8]))]
    (arm,) = reported.of_runs(runs).arms

    points = curves.band(arm, "validation_accuracy")

    assert [p.mean for p in points] == pytest.approx([0.2, 0.6])
    assert [p.deviation for p in points] == pytest.approx([0.1 * 2**0.5, 0.2 * 2**0.5])


def test_a_figure_shows_the_numbers_of_the_table(two_arms):
    with drawn():
        bars = memory_bars.draw(two_arms).axes[0]
        points = accuracy_memory.draw(two_arms).axes[0]
        left, right = loss_curves.draw(two_arms).axes

    assert [bar.get_width() for bar in bars.patches] == [8.0, 0.5]
    assert [text.get_text() for text in bars.texts] == ["8.00 MiB", "0.50 MiB"]
    shown = [(c.lines[0].get_xdata()[0], c.lines[0].get_ydata()[0]) for c in points.containers]
    assert [at for point in shown for at in point] == pytest.approx([8.0, 81.0, 0.5, 84.0])
    assert [list(line.get_ydata()) for line in right.lines] == [
        pytest.approx([0.5, 0.4]), pytest.approx([0.3, 0.4])
    ]  # fmt: skip
    assert (left.get_title(), right.get_title()) == ("training", "validation")


def test_no_text_of_a_figure_is_a_formula(two_arms):
    from matplotlib.text import Text

    arms = [replace(arm, name=f"${arm.name}_x$") for arm in two_arms.arms]
    with drawn():
        figure = accuracy_memory.draw(replace(two_arms, arms=tuple(arms)))
        figure.draw_without_rendering()
        texts = {text.get_text() for text in figure.findobj(Text)}

    assert {"$plain_x$", "$rev_x$", "1", "5"} <= texts, "names and plain numbers on the axis"
    assert not any("mathdefault" in text for text in texts)


def test_a_sweep_is_drawn_over_its_values_with_every_seed(two_arms):
    arms = [replace(arm, swept=value) for arm, value in zip(two_arms.arms, (32, 16), strict=True)]
    with drawn():
        axes = accuracy_swept.draw(replace(two_arms, arms=tuple(arms), swept="model.dim")).axes[0]
        nothing = accuracy_swept.draw(two_arms)

    seeds, means = axes.lines[:2], axes.containers[0].lines[0]
    assert list(means.get_xdata()) == [16, 32]
    assert list(means.get_ydata()) == pytest.approx([84.0, 81.0])
    assert list(seeds[0].get_ydata()) == pytest.approx([82.0, 84.0, 86.0])
    assert axes.get_xlabel() == "model dim"
    assert nothing is None, "nothing is swept"


def test_a_report_is_written_with_every_figure_in_every_format(two_arms):
    files = writing.write(
        two_arms, Path("out"), ["md", "tex", "csv", "html"], ["svg", "png", "pdf"]
    )
    names = {str(path.relative_to("out")) for path in files}

    assert {"report.md", "report.tex", "report.csv", "report.html"} <= names
    kinds = ("loss-curves", "accuracy-curves", "accuracy-time", "memory", "accuracy-memory")
    assert {f"figures/{k}.{e}" for k in kinds for e in ("svg", "png", "pdf")} <= names
    assert all(path.stat().st_size for path in files)
    page = Path("out/report.html").read_text(encoding="utf-8")
    assert page.count("data:image/svg+xml;base64,") == len(kinds)
    assert "http" not in re.sub(r"base64,[\w+/=]+", "", page), "nothing is loaded from elsewhere"
    assert (
        r"\includegraphics[width=\linewidth]{figures/memory.pdf}"
        in Path("out/report.tex").read_text()
    )


def test_the_same_results_give_the_same_bytes(two_arms):
    for folder in ("one", "two"):
        writing.write(two_arms, Path(folder), ["md", "csv"], ["svg", "pdf"])

    for path in Path("one").rglob("*.*"):
        assert path.read_bytes() == (Path("two") / path.relative_to("one")).read_bytes(), path


def test_formats_that_do_not_exist_are_refused_before_anything_is_written(two_arms):
    with pytest.raises(UnknownName, match="no format 'markdown'"):
        writing.write(two_arms, Path("out"), ["markdown"], [])
    with pytest.raises(UnknownName, match="no figure format 'jpg'"):
        writing.write(two_arms, Path("out"), ["md"], ["jpg"])
    assert not Path("out").exists()


def test_the_rows_are_what_a_second_reading_of_the_logs_gives(two_arms, store):
    """Straight from the event files, without any of our readers."""
    found = []
    for run in two_arms.arms[1].runs:
        log = (store.folder(run.id) / "attempts" / "0001" / "events.jsonl").read_text()
        found += [float(v) for v in re.findall(r'"test_accuracy":\s*([\d.]+)', log)]

    assert len(found) == 3
    assert arm_rows(two_arms)[1].accuracy.mean == pytest.approx(sum(found) / 3)


@pytest.fixture
def seen(two_arms):
    """What the weights of the first arm show, made up; those of the second are gone."""
    grey = tuple(((level, level, level),) * 4 for level in (0, 80, 160, 240))
    picture = Picture(rows=grey, caption="cat")
    shares = [[0.1, 0.2], [0.3, 0.4]]
    table = [[0.0, 1.0], [1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]]
    similarity = [[a[0] * b[0] + a[1] * b[1] for b in table] for a in table]
    image = Attended(picture=picture, truth="cat", called="dog", shares=shares)
    shown = Inspection(
        epoch=2, step=20, best=True,
        positions=Positions(kind="fixed", grid=(2, 2), table=table, similarity=similarity),
        attention=AttentionRollout(of="the class token", blocks=3, grid=(2, 2), images=(image, image)),
    )  # fmt: skip
    plain, rev = (arm.runs[0].id for arm in two_arms.arms)
    return {plain: shown, rev: "it has no readable checkpoint"}


def test_positions_of_an_oblong_grid_are_tiled_as_they_lie(seen):
    shown = replace(
        next(each for each in seen.values() if isinstance(each, Inspection)).positions, grid=(1, 4)
    )
    with drawn():
        picture = positions.draw(shown).axes[0].images[0].get_array()

    assert picture.shape == (2, 2 * 4 * 4 + 3), "each number is two pixels wide"
    tiles = [picture[1, 9 * n : 9 * n + 8 : 2].tolist() for n in range(4)]
    assert tiles == [pytest.approx(row) for row in shown.similarity]


def confused(results, *counts):
    """The results with a confusion matrix for each run, in turn."""
    names = tuple(f"class {n}" for n in range(len(counts[0])))
    runs = iter(counts)
    arms = [
        replace(arm, runs=tuple(replace(r, confusion=Confusion(names=names, counts=next(runs))) for r in arm.runs))
        for arm in results.arms
    ]  # fmt: skip
    return replace(results, arms=tuple(arms))


def test_confusions_are_summed_over_seeds_and_shown_by_rows(two_arms):
    one, other = ((8, 2), (1, 9)), ((6, 4), (0, 10))
    results = confused(two_arms, one, one, other, one, one, one)
    with drawn():
        plain, rev = confusion.sheets(results)
        axes = plain.figure.axes[0]

    assert confusion.summed(results.arms[0]).counts == ((22, 8), (2, 28))
    shown = axes.images[0].get_array()
    assert shown.tolist() == [
        pytest.approx(row) for row in ([2200 / 30, 800 / 30], [200 / 30, 2800 / 30])
    ]
    assert [text.get_text() for text in axes.texts] == ["73", "27", "7", "93"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["class 0", "class 1"]
    for words in (
        "summed over seeds 0, 1 and 2",
        "60 answers",
        "class 0 for class 1 (26.7 %)",
        "of plain",
    ):
        assert words in plain.caption, words
    assert (plain.name, rev.name) == ("confusion-1-plain", "confusion-2-rev")


def test_the_confusion_of_copies_is_that_of_one(with_copies):
    results = confused(with_copies, *[((8, 2), (1, 9))] * 6)
    with drawn():
        _, svm = confusion.sheets(results)

    assert confusion.summed(results.arms[1]).counts == ((8, 2), (1, 9))
    assert "of seed 0 (1 and 2 gave the same weights), 20 answers" in svm.caption


def test_a_hundred_classes_have_a_name_in_every_row_that_does_not_touch_the_next(two_arms):
    counts = tuple(tuple(9 if i == j else 1 for j in range(100)) for i in range(100))
    with drawn():
        figure = next(confusion.sheets(confused(two_arms, *[counts] * 6))).figure
        figure.draw_without_rendering()
        labels = figure.axes[0].get_yticklabels()
        boxes = [label.get_window_extent() for label in labels]

    assert [label.get_text() for label in labels][:2] == ["class 0  0", "class 1  1"]
    assert len(boxes) == 100
    assert all(upper.y0 >= lower.y1 - 1 for upper, lower in pairwise(boxes)), (
        "in dots of 1/200 inch"
    )


def test_a_share_is_neither_rounded_up_to_all_nor_down_to_nothing():
    found = [confusion.whole(p) for p in (100.0, 99.9, 50.4, 0.5, 0.2)]

    assert found == ["100", "99", "50", "1", "<1"]


def test_seeds_that_recorded_no_confusion_have_no_matrix(two_arms):
    with drawn():
        assert list(confusion.sheets(two_arms)) == []


def test_a_map_lies_over_its_image_in_units_of_an_even_share(two_arms, seen):
    with drawn():
        (sheet,) = attention.sheets(two_arms, seen)
        below = sheet.figure.axes[2]

    layer = below.images[1].get_array().tolist()
    assert layer == [pytest.approx(row) for row in ([0.4, 0.8], [1.2, 1.6])]
    assert tuple(below.images[0].get_extent()) == tuple(below.images[1].get_extent())
    run = two_arms.arms[0].runs[0].id
    for words in (
        f"plain (run {run}, seed 0, epoch 2, the best epoch)",
        "3 softmax attentions",
        "1/4 for each patch",
    ):
        assert words in sheet.caption, words
    assert sheet.figure.axes[0].get_title() == "cat\n(dog)"


def test_a_scheme_that_rollout_is_not_defined_for_is_called_an_approximation(two_arms, seen):
    run = two_arms.arms[1].runs[0].id
    with drawn():
        (sheet,) = attention.sheets(
            replace(two_arms, arms=two_arms.arms[1:]), {run: next(iter(seen.values()))}
        )

    assert "the scheme additive wires them otherwise" in sheet.caption


def test_each_tile_of_positions_stands_at_its_place(two_arms, seen):
    with drawn():
        (sheet,) = positions.sheets(two_arms, seen)
        tiles, table = (axes.images[0].get_array() for axes in sheet.figure.axes[:2])

    rows = tiles.filled(float("nan")).tolist()
    assert rows[0][:8:4] == rows[3][3:8:4] == [1.0, 0.0], "each number is four pixels wide"
    assert rows[0][9::4] == [0.0, 1.0]
    assert [rows[9][0], rows[13][13]] == pytest.approx([0.8, 1.0]), (
        "similarity of position 3 with 1, and of 4 with 4"
    )
    assert all(math.isnan(value) for value in rows[8])
    assert table.shape == (4, 2)
    assert "fixed, sinusoidal" in sheet.caption


def test_a_report_says_which_figures_it_lacks_and_why(two_arms, seen):
    writing.write(two_arms, Path("out"), ["md", "tex", "html"], ["svg"], seen)

    for kind in ("attention maps", "position encodings"):
        for word in ("md", "tex", "html"):
            text = Path(f"out/report.{word}").read_text(encoding="utf-8")
            assert f"No {kind} of rev: it has no readable checkpoint." in text
    names = {path.name for path in Path("out/figures").iterdir()}
    assert {"attention-1-plain.svg", "positions-1-plain.svg"} <= names


def test_arms_that_keep_as_much_are_drawn_where_they_are(two_arms):
    """On the paper, also: nothing is moved along an axis that measures."""
    arms = [replace(arm, name=f"{arm.name} {n}") for n in range(2) for arm in two_arms.arms]
    with drawn():
        figure = accuracy_memory.draw(replace(two_arms, arms=tuple(arms)))
        axes = figure.axes[0]
        figure.draw_without_rendering()
        places = [c.lines[0].get_window_extent() for c in axes.containers]
        expected = [axes.transData.transform((size, 81))[0] for size in (8.0, 0.5)] * 2

    assert [(p.x0 + p.x1) / 2 for p in places] == pytest.approx(expected, abs=0.5)
    assert all(c.lines[0].get_alpha() < 1 for c in axes.containers), "what lies below shows through"


def test_seeds_of_a_sweep_are_drawn_where_they_are(two_arms):
    arms = [replace(arm, swept=value) for arm, value in zip(two_arms.arms, (32, 16), strict=True)]
    with drawn():
        figure = accuracy_swept.draw(replace(two_arms, arms=tuple(arms), swept="model.dim"))
        axes = figure.axes[0]
        figure.draw_without_rendering()
        seeds = axes.lines[0].get_window_extent()

    assert (seeds.x0 + seeds.x1) / 2 == pytest.approx(
        axes.transData.transform((16, 84))[0], abs=0.5
    )


def test_memory_is_drawn_in_the_unit_that_fits(finished):
    runs = [
        finished(plan(a, 0, model=Vit(depth=d)), [0.5], kept=k)
        for a, d, k in (("a", 2, 600), ("b", 4, 4096))
    ]
    results = reported.of_runs(runs)
    with drawn():
        bars, points = memory_bars.draw(results).axes[0], accuracy_memory.draw(results).axes[0]

    assert bars.get_xlabel() == points.get_xlabel() == "kept for backward (KiB)"
    assert [bar.get_width() for bar in bars.patches] == [600 / 1024, 4.0]
    assert [text.get_text() for text in bars.texts] == ["600 bytes", "4.00 KiB"]


def test_captions_of_curves_say_what_the_training_was_measured_with(finished):
    noisy = finished(plan("noisy", 0, model=Vit(dropout=0.1)), [0.5], noise="with dropout 0.1")
    results = reported.of_runs([noisy, finished(plan("plain", 0), [0.5])])

    for kind in (loss_curves, accuracy_curves):
        assert (
            "each before its update, with dropout 0.1 (noisy); with neither augmentation nor dropout (plain); validation "
            "is of the whole network"
        ) in kind.caption(results)


def test_of_many_arms_the_deviation_is_drawn_at_the_last_epoch_and_it_is_said(finished):
    runs = [
        finished(plan(f"d{d}", s, model=Vit(depth=d)), [0.5, 0.6 + s / 10])
        for d in (1, 2, 3, 4)
        for s in (0, 1)
    ]
    results = reported.of_runs(runs)
    with drawn():
        left, _ = accuracy_curves.draw(results).axes

    assert len(left.containers) == 4
    assert not left.collections or all(len(c.get_paths()[0]) == 2 for c in left.collections), (
        "bars, no bands"
    )
    assert "The deviation is drawn at the last epoch alone." in accuracy_curves.caption(results)


def test_what_runs_of_an_arm_do_not_share_is_no_number_of_the_arm(finished):
    runs = [
        finished(plan("a", s), [0.5], parameters=1000 + s, multiply_adds_per_image=7)
        for s in (0, 1)
    ]

    (row,) = arm_rows(reported.of_runs(runs))

    assert (row.parameters, row.multiply_adds_per_image) == (None, 7)


def test_peaks_of_different_kinds_are_told_apart(finished):
    one, other = (finished(plan(a, 0, model=Vit(depth=d)), [0.5]) for a, d in (("a", 2), ("b", 4)))
    on_gpu = replace(other, summary=replace(other.summary, peak_memory_of="allocated on cuda:0"))
    notes = " ".join(table(reported.of_runs([one, on_gpu])).notes)

    assert "(a); allocated on cuda:0 (b)" in notes


def test_accuracy_over_time_has_a_point_for_each_epoch_at_its_mean_time(finished):
    runs = [finished(plan("a", s), [0.5, 0.6 + s / 10, 0.7]) for s in range(2)]
    times = [
        StepTimes(steps=[1, 3], seconds=[10.0 + s, 30.0 + 3 * s], walls=[1.0, 2.0], length=2)
        for s in range(2)
    ]
    timed = [replace(run, times=time) for run, time in zip(runs, times, strict=True)]

    with drawn():
        (axes,) = accuracy_time.draw(reported.of_runs(timed)).axes
    (line,) = axes.get_lines()
    assert list(line.get_xdata()) == pytest.approx([10.5, 21.0, 31.5])
    assert list(line.get_ydata()) == pytest.approx([50.0, 65.0, 70.0])
    assert axes.get_xlabel() == "training time (s)"
    assert (
        accuracy_time.draw(reported.of_runs([replace(r, times=StepTimes()) for r in runs])) is None
    )


def test_a_curve_that_ends_with_its_shortest_run_says_so(finished):
    runs = [finished(plan("a", s), [0.5] * n) for s, n in ((0, 2), (1, 3))]

    assert "ends where its shortest run ended" in loss_curves.caption(reported.of_runs(runs))


def test_a_table_of_settings_says_what_the_arms_differ_in(finished):
    arms = [
        plan("vit", 0, model=Vit(depth=2), train=Train(epochs=2, clip=1.0)),
        plan("mlp", 0, model={"architecture": "mlp"}),
    ]
    made = document(reported.of_runs([finished(each, [0.5]) for each in arms]))
    rows = {row[0]: row[1:] for row in made.settings.rows}

    assert made.settings.headings == ("setting", "vit", "mlp")
    assert rows["model architecture"] == ("vit", "mlp")
    assert rows["model depth"] == ("2", "1")
    assert rows["model width"] == ("–", "100")
    assert rows["scheme name"] == ("residual", "–")
    assert rows["train clip"] == ("1", "unset")
    assert "optimizer learning rate" not in rows
    for module in (as_markdown, as_latex, as_html):
        assert "What the arms differ in" in module.render(made)


def test_a_wide_table_of_a_page_scrolls(two_arms):
    page = as_html.render(document(two_arms))

    assert '<div class="wide"><table>' in page
    assert ".wide { overflow-x: scroll; }" in page


def test_what_a_model_has_not_is_not_written_into_a_report(two_arms, seen):
    plain, rev = (arm.runs[0].id for arm in two_arms.arms)
    points = replace(seen[plain], attention="its images are not pictures", positions="it adds none")
    writing.write(
        two_arms, Path("out"), ["md", "tex", "html"], ["svg"], {plain: points, rev: points}
    )

    for word in ("md", "tex", "html"):
        assert "not pictures" not in Path(f"out/report.{word}").read_text(encoding="utf-8")


def test_arms_that_all_keep_the_same_are_not_drawn_against_it(two_arms):
    alike = replace(two_arms, arms=(two_arms.arms[0], replace(two_arms.arms[0], name="again")))

    with drawn():
        assert accuracy_memory.draw(alike) is None


@pytest.mark.parametrize(
    ("text", "set_as"),
    [("é ü Ž", r"\'{e} \"{u} \v{Z}"), ("γλ½…", r"$\gamma$$\lambda$$\frac12$\ldots{}"), ("中ή", "[U+4E2D][U+03AE]")],
)  # fmt: skip
def test_letters_that_latex_lacks_are_set_so_that_it_compiles(text, set_as):
    assert as_latex.escape(text) == set_as


def test_numbers_of_a_csv_have_every_digit(two_arms):
    head, plain, _ = csv.reader(io.StringIO(as_csv.render(document(two_arms)), newline=""))
    cells = dict(zip(head, plain, strict=True))

    assert float(cells["test accuracy mean (%)"]) == arm_rows(two_arms)[0].accuracy.mean * 100


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
@pytest.mark.parametrize(
    "names", [(HOSTILE + '"', "\\input{x} é γ=½ 中文 … “q”"), ("plain", "rev")]
)
def test_the_latex_compiles_with_names_that_latex_would_obey(two_arms, seen, names):
    arms = [
        replace(arm, name=name, against=names[0])
        for arm, name in zip(two_arms.arms, names, strict=True)
    ]
    shown = replace(two_arms, arms=tuple(arms), baseline=names[0])
    files = writing.write(shown, Path(), ["tex"], ["pdf"], seen, columns=COLUMNS)
    Path("whole.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs,graphicx,siunitx,tabularx}"
        "\\begin{document}\\input{report.tex}\\end{document}"
    )
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "whole.tex"], capture_output=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-2000:]
    assert len(files) == 8
    if names == ("plain", "rev"):
        assert b"Overfull" not in done.stdout, "every table is as wide as the text"


def test_the_appendix_says_what_was_read_once_and_of_whom_where_it_differs(finished):
    first = finished(plan("plain", 0), [0.5, 0.6], what_was_read="20 images (20 PNG 16-bit grey)")
    same = finished(
        plan("rev", 0, scheme=AdditiveSection()),
        [0.5, 0.6],
        what_was_read="20 images (20 PNG 16-bit grey)",
    )
    other = finished(
        plan("rev", 1, scheme=AdditiveSection()), [0.5, 0.6], what_was_read="19 images & more"
    )
    for runs, read in (
        ([first, same], "20 images (20 PNG 16-bit grey)"),
        ([first, other], "20 images (20 PNG 16-bit grey) (plain); 19 images & more (rev)"),
    ):
        shown = document(reported.of_runs(runs))
        assert shown.read == read
        for module in (as_markdown, as_latex, as_html):
            text = module.render(shown)
            assert text.count("20 images (20 PNG 16-bit grey)") == 1
            assert text.index("Appendix") < text.index("20 images (20 PNG")
    assert "Appendix" not in as_markdown.render(
        document(reported.of_runs([finished(plan("old", 0), [0.5])]))
    )
