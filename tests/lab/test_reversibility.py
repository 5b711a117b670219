"""How exactly a backward rebuilds its activations, in words: never more than was promised and measured."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from revconsole.lab import reversibility
from revconsole.records.foresight import cache
from revconsole.records.logs.events import MetricDeclared
from revconsole.records.runs import audits
from revconsole.records.runs.audits import KeptAudit
from revconsole.records.runs.run import AuditFinding, Run, Series, Summary
from revconsole.records.sections import KINDS
from revconsole.records.settings.plan import Plan

SCHEMES = Path(reversibility.__file__).parents[1] / "reversible" / "schemes"
CHECKS = (
    AuditFinding(name="inverse", level="passed"),
    AuditFinding(name="leak", level="note", figure="1 of 7"),
)


def run(scheme="bdia", backward="reversible", precision="float32", facts=None, **series):
    plan = Plan.model_validate(
        {
            "name": "a",
            "scheme": {"name": scheme},
            "backward": backward,
            "train": {"precision": precision},
        }
    )
    summary = Summary(id="aaaaaaaa", name="a", state="finished", plan=plan, created=100.0)
    columns = {}
    for name, values in series.items():
        metric = MetricDeclared(name=name, unit="", per="epoch", direction="down", meaning="")
        steps = [10 * n for n in range(len(values))]
        columns[name] = Series(metric, steps, values, len(values))
    return Run(summary=summary, facts=facts or {}, series=columns)


EXACT = {"error_growth": 0.0, "rebuilt_blocks": 4}
ROUNDED = {"error_growth": 40.0, "rebuilt_blocks": 4}


@pytest.mark.parametrize(
    ("subject", "word", "tone"),
    [
        (run("residual", "stored"), "not reversible", "plain"),
        (run(backward="checkpointed", facts={"steps": 4}), "not reversed", "plain"),
        (run(facts=EXACT), "exact", "good"),
        (run(facts=EXACT, reconstruction_error=[0.0, 0.0]), "exact", "good"),
        (run(facts=EXACT, reconstruction_error=[0.0, 1e-3, 0.0]), "not exact", "bad"),
        (run(facts=EXACT, reconstruction_error=[math.nan]), "not exact", "bad"),
        (run("momentum", facts=ROUNDED, gradient_error=[1e-6]), "to rounding", "plain"),
        (run("momentum", facts=ROUNDED, gradient_error=[0.5, 1e-6]), "to rounding", "bad"),
    ],
)  # fmt: skip
def test_the_badge_says_what_is_promised_unless_something_else_was_measured(subject, word, tone):
    badge = reversibility.badge(subject)
    assert (badge.name, badge.tone) == (word, tone)


def test_the_badge_says_of_which_type():
    assert "in bf16" in reversibility.badge(run(precision="bf16", facts=EXACT)).text
    assert "in float32" in reversibility.badge(run("momentum", facts=ROUNDED)).text


def said(subject, verified=None):
    return {told.name: told for told in reversibility.lines(subject, verified)}


def test_the_largest_error_is_told_with_its_step_and_the_last_one():
    told = said(run("momentum", facts=ROUNDED, reconstruction_error=[1e-7, 3e-6, 2e-7]))
    assert told["activations"].text == "error at most 3e-06 in 3 probes, at step 10; last 2e-07"
    told = said(run(facts=EXACT, reconstruction_error=[0.0] * 5))
    assert told["activations"].text == "error 0 in 5 probes: rebuilt to the bit"


def test_side_bits_are_told_with_their_share_of_what_is_kept():
    subject = run(
        facts=EXACT,
        side_bits_bytes=[2.0**20],
        kept_for_backward_bytes=[4 * 2.0**20],
        side_bit_mean=[0.5],
    )
    assert said(subject)["side bits"].text == (
        "1 bit for each number of a block; 1.00 MiB, 25.0 % of what is kept; their mean 0.500"
    )
    assert "side bits" not in said(run("momentum", facts=ROUNDED))


def test_the_last_audit_is_told_that_of_the_launch_or_a_later_verify():
    launched = replace(run(facts=EXACT), audit=CHECKS)
    assert (
        said(launched)["verify"].text
        == "the audit before training: 1 passed, 1 note: leak (1 of 7)"
    )
    failed = (AuditFinding(name="inverse", level="failed", figure="off by 2"),)
    told = said(launched, KeptAudit(time=200.0, findings=failed))["verify"]
    assert told.text.startswith("`revconsole verify` on ")
    assert told.text.endswith("1 failed: inverse (off by 2)")
    assert told.tone == "bad"
    assert "before training" in said(launched, KeptAudit(time=50.0, findings=failed))["verify"].text
    assert said(run(facts=EXACT))["verify"].tone == "doubtful"


def test_what_verify_said_is_kept_of_a_model_whatever_its_seed_and_length(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "kept")
    plan = run().plan
    assert audits.known(plan) is None
    audits.keep(plan, CHECKS)
    longer = plan.model_copy(
        update={"seed": 3, "train": plan.train.model_copy(update={"epochs": 9})}
    )
    found = audits.known(longer)
    assert found is not None
    assert found.findings == CHECKS
    assert audits.known(plan.model_copy(update={"backward": "stored"})) is None
    for file in (tmp_path / "kept").iterdir():
        file.write_text("{", encoding="utf-8")
    assert audits.known(plan) is None


@pytest.mark.parametrize("name", KINDS["scheme"][1])
def test_each_scheme_has_its_formula_and_the_papers_that_its_file_names(name):
    section = KINDS["scheme"][1][name]
    assert "←" in section.formula()
    assert "20" not in section.formula()
    text = (SCHEMES / f"{name}.py").read_text(encoding="utf-8")
    numbers = [
        word.strip(";,") for word in section.paper.split() if "." in word and word[0].isdigit()
    ]
    assert (name == "residual") == (not numbers)
    assert all(number in text for number in numbers)
