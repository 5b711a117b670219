"""The report on the command line: of a study or of runs, printed and written."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from revconsole.records.logs.events import EpochFinished, Finished, Measured, Started
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.study import load

TINY = """
seeds = [0, 1]
[study]
title = "two ways"
source = "this test"
[[arm]]
name = "plain"
[[arm]]
name = "two streams"
scheme.name = "additive"
[quick]
train.epochs = 2
"""


def finish(store: RunStore, plan, accuracy: float) -> str:
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1)
    attempt.emit(Started(facts={"steps": 1, "parameters": 7, "fingerprint": "f" * 64}))
    attempt.emit(Measured(step=1, epoch=1, values={"kept_for_backward_bytes": 2.0**20}))
    attempt.emit(EpochFinished(epoch=1, step=1, values={"validation_accuracy": accuracy}))
    attempt.emit(Finished(outcome="completed", step=1, values={"test_accuracy": accuracy}))
    attempt.close()
    return run_id


@pytest.fixture
def tiny():
    """A study in the working folder."""
    path = Path("tiny.toml")
    path.write_text(TINY, encoding="utf-8")
    return load(path)


@pytest.fixture
def quick_runs(tiny) -> list[str]:
    """Its quick form, finished, in ./runs."""
    store = RunStore(Path("runs"))
    plans = [plan for arm in tiny.expanded(quick=True) for plan in arm.plans]
    return [
        finish(store, p, a) for p, a in zip(plans, (0.5, 0.52, 0.548, 0.56), strict=True)
    ]  # fmt: skip


def test_a_study_is_reported_with_its_arms_and_written(run, quick_runs):
    said = run("report", "tiny", "--quick", "--format", "md,csv", "--figures", "none")

    assert said.code == 0, said.err
    head, *rows = said.out.splitlines()
    assert head.startswith("arm")
    assert [row.split("  ")[0] for row in rows] == ["plain (quick)", "two streams (quick)"]
    assert "55.40 ± 0.85 %" in rows[1]
    assert "not tested: 2 seeds" in rows[1]
    assert "distinguishable" not in said.out + said.err
    assert "quick form" in said.err
    assert sorted(p.name for p in Path("report-tiny-quick").iterdir()) == [
        "report.csv",
        "report.md",
    ]


def test_figures_are_drawn_in_the_formats_asked_for(run, quick_runs):
    said = run("report", "tiny", "--quick", "--out", "here", "--format", "html", "--figures", "png")

    assert said.code == 0, said.err
    drawn = {path.suffix for path in Path("here/figures").iterdir()}
    assert drawn == {".png"}
    assert "data:image/png;base64," in Path("here/report.html").read_text(encoding="utf-8")


def test_runs_are_reported_by_name_or_id_and_seeds_make_an_arm(run, quick_runs):
    said = run("report", *quick_runs, "--figures", "none", "--out", "here")

    assert said.code == 0, said.err
    assert len(said.out.splitlines()) == 3


def test_several_studies_are_reported_together_though_their_runs_answer_to_the_same_names(
    run, quick_runs
):
    Path("other.toml").write_text(TINY + "train.batch = 64\n", encoding="utf-8")
    store = RunStore(Path("runs"))
    for each in load(Path("other.toml")).expanded(quick=True):
        for plan in each.plans:
            finish(store, plan, 0.5)

    said = run("report", "tiny", "other", "--quick", "--figures", "none", "--format", "md")

    assert said.code == 0, said.err
    assert said.err.startswith("2 studies: ")
    assert [row.split("  ")[0] for row in said.out.splitlines()] == [
        "group",
        "tiny",
        "",
        "other",
        "",
    ]


def test_the_full_form_has_not_run_and_where_results_are_is_said(run, quick_runs):
    said = run("report", "tiny")

    assert said.code == 2
    assert "no run of the study tiny has finished with these settings" in said.err
    assert "4 finished: revconsole report tiny --quick;" in said.err
    assert not Path("report-tiny").exists()


def test_a_study_without_runs_has_no_results_elsewhere(run, tiny):
    assert (
        "no run of the study tiny has finished; `revconsole study run`" in run("report", "tiny").err
    )


WORDS = {"train.threads": 1, "train.clip": 0.5, "seeds": [4, 5], "schedule.name": "constant"}


def test_the_words_that_find_runs_are_named_and_find_them(run, tiny):
    store = RunStore(Path("runs"))
    for arm in tiny.expanded(WORDS, quick=True):
        for plan in arm.plans:
            finish(store, plan, 0.5)

    said = run("report", "tiny", "--figures", "none")

    (line,) = re.findall(r"4 finished: (revconsole report .*? --quick);", said.err)
    found = run(*shlex.split(line)[1:], "--figures", "none")
    assert found.code == 0, found.err
    assert len(found.out.splitlines()) == 3


def test_the_study_shown_names_what_else_of_it_has_finished(run, tiny, quick_runs):
    said = run("study", "show", "tiny", "train.epochs=9")

    assert "with other settings, 4 finished: revconsole study show tiny --quick" in said.err
    assert "with other settings" not in run("study", "show", "tiny", "--quick").err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["tinny"], 3, "no run in runs answers to 'tinny'"),
        (["tiny", "--quick", "--format", "markdown"], 2, "there is no format 'markdown'"),
        (["tiny", "--quick", "--figures", "jpg"], 2, "there is no figure format 'jpg'"),
        (
            ["mnist-pach", "--quick"],
            2,
            "there is no study 'mnist-pach'; did you mean 'mnist-patch'",
        ),
        (["@1", "@2", "--quick"], 2, "--quick: belongs to studies"),
        (["@1", "train.epochs=2"], 2, "train.epochs: belongs to studies"),
        (["train.epochs=2"], 2, "belongs to studies"),
        (["tiny", "--quick", "--out", "tiny.toml"], 4, "cannot write the report to tiny.toml"),
    ],
)
def test_a_mistake_is_a_sentence(run, quick_runs, arguments, code, words):
    said = run("report", *arguments)

    assert (said.code, words in said.err) == (code, True), said.err
    assert "Traceback" not in said.err


def test_without_matplotlib_everything_but_figures_is_written(tiny, quick_runs):
    code = (
        "import sys\nsys.modules['matplotlib'] = None\n"
        "sys.argv = ['revconsole', 'report', 'tiny', '--quick', *sys.argv[1:]]\n"
        "from revconsole.cli.app import main\nmain()\n"
    )

    def call(*more):
        command = [sys.executable, "-X", "preloaded", "-c", code, *more]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    silent, asked = call(), call("--figures", "svg")

    assert silent.returncode == 0, silent.stderr
    assert silent.stderr.splitlines()[-1].startswith(
        "No figures were drawn: matplotlib is not installed; `pip install"
    )
    for word in ("md", "html", "tex"):
        text = Path(f"report-tiny-quick/report.{word}").read_text(encoding="utf-8")
        assert "No figures were drawn: matplotlib is not installed" in text
    assert asked.returncode == 4
    assert "pip install 'revconsole[report]'" in asked.stderr


def test_a_study_with_an_arm_without_labels_is_reported_without_it(run, tiny):
    blind = '[[arm]]\nname = "blind"\nobjective.name = "mae"\n[[arm]]'
    Path("mixed.toml").write_text(TINY.replace("[[arm]]", blind, 1), encoding="utf-8")
    store = RunStore(Path("runs"))
    for arm in load(Path("mixed.toml")).expanded():
        for number, plan in enumerate(arm.plans):
            finish(store, plan, 0.5 + number / 100)

    said = run("report", "mixed", "--figures", "none", "--format", "md", "--out", "out")

    assert said.code == 0, said.err
    assert [row.split("  ")[0] for row in said.out.splitlines()[1:]] == ["plain", "two streams"]
    assert "The baseline blind learns without labels; differences are to plain." in said.err
    assert said.err.count("blind: learns by mae, without labels, and so has no test accuracy") == 1
    assert "blind: learns by mae" in next(Path("out").glob("*.md")).read_text()
