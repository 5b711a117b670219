"""`watch`: as rows of JSON, and as lines that are drawn again in place."""

import io
import json
import re
from dataclasses import replace

import pytest

from revconsole.cli.inline import InlineView, run_line
from revconsole.lab.format import cells
from revconsole.records.logs.events import Finished, Measured, MetricDeclared, Started
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan

RUN = Summary(
    id="a" * 8, name="small-vit", state="running", plan=Plan(name="small-vit", train={"epochs": 4}),
    created=0.0, epoch=1, step=5, steps=20, loss=1.25, best_validation_accuracy=0.5, eta_seconds=61.0,
    metrics={"images_per_second": 1234.0}, loss_curve=(3.0, 2.0, 1.25),
)  # fmt: skip


def ended(store, outcome="completed"):
    run_id = store.create(Plan(name="small", train={"epochs": 1}), {})
    attempt = store.claim(run_id, 1)
    attempt.emit(Started(facts={"steps": 2, "steps_per_epoch": 2}))
    attempt.emit(MetricDeclared(name="loss", unit="nats", per="step", direction="down", meaning=""))
    for step in (1, 2):
        attempt.emit(Measured(step=step, epoch=1, values={"loss": 1 / step}))
    attempt.emit(Finished(outcome=outcome, step=2))
    attempt.close()
    return run_id


def test_the_stream_is_an_object_a_line_and_ends_as_the_runs_did(run, store):
    good, stopped = ended(store), ended(store, "stopped")

    said = run("--store", str(store.root), "watch", good, stopped, "--json")

    rows = [json.loads(line) for line in said.out.splitlines()]
    for run_id, state in ((good, "finished"), (stopped, "stopped")):
        own = [row for row in rows if row["run"] == run_id]
        assert [row["step"] for row in own if row["kind"] == "values"] == [1, 2]
        assert own[-1]["state"] == state
    assert said.code == 1
    assert run("--store", str(store.root), "watch", good, "--json", "--follow").code == 0


def test_without_following_what_is_recorded_by_now_is_printed_and_nothing_is_waited_for(run, store):
    run_id = store.create(Plan(name="small"), {})
    attempt = store.claim(run_id, 1)
    attempt.emit(Started(facts={}))

    said = run("--store", str(store.root), "watch", run_id, "--json", "--no-follow")
    attempt.close()

    assert [json.loads(line)["state"] for line in said.out.splitlines()] == ["running"]
    assert said.code == 0


def test_json_does_not_go_with_inline_and_without_a_terminal_inline_is_plain_lines(run, store):
    run_id = ended(store)

    both = run("--store", str(store.root), "watch", run_id, "--json", "--inline")
    plain = run("--store", str(store.root), "watch", run_id, "--inline")

    assert (both.code, "--inline" in both.err) == (2, True)
    assert plain.code == 0
    assert "finished after" in plain.err
    assert "\x1b" not in plain.err


@pytest.mark.parametrize("width", [20, 40, 80, 160])
def test_a_line_of_a_run_fits_and_says_first_what_matters_most(width):
    line = run_line(RUN, width, "ascii")

    assert cells(line) <= width
    assert line.startswith("sma")
    for least, part in ((40, "running"), (80, "1/4"), (80, "loss 1.25"), (160, "1,234 images/s")):
        assert width < least or part in line
    odd = replace(RUN, name="\x1b[31mred" * 9, state="queued", steps=None, loss=None)
    assert cells(run_line(odd, width)) <= width
    assert "\x1b" not in run_line(odd, width)


def test_lines_replace_one_another_and_what_is_said_stays_above(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    stream = io.StringIO()
    view = InlineView(stream)

    view.draw([RUN, replace(RUN, name="other")])
    view.say("small-vit  warning: slow")
    view.draw([replace(RUN, epoch=2), replace(RUN, name="other")])

    shown = on_terminal(stream.getvalue())
    assert [line.split()[0] for line in shown] == ["small-vit", "small-vit", "other"]
    assert "warning: slow" in shown[0]
    assert "2/4" in shown[1]


def on_terminal(text):
    """The lines that a terminal shows, by the two sequences that are written."""
    lines, row = [""], 0
    for part in re.split(r"(\x1b\[\d+A|\r\x1b\[2K|\n)", text):
        if part.endswith("A") and part.startswith("\x1b"):
            row -= int(part[2:-1])
        elif part == "\r\x1b[2K":
            lines[row] = ""
        elif part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        else:
            lines[row] += part
    return [line for line in lines if line]


def test_what_the_processes_of_a_run_wrote_is_printed_as_text(run, store):
    run_id = ended(store)
    asked = ("--store", str(store.root), "show", run_id, "--output")
    assert "has written nothing" in run(*asked).err

    (store.folder(run_id) / "attempts" / "0001" / "output.log").write_bytes(
        b"\x1b[31mWarning: slow\n"
    )

    assert run(*asked).out == "�[31mWarning: slow\n"
    assert json.loads(run(*asked, "--json").out) == {"output": ["\x1b[31mWarning: slow"]}
