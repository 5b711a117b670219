"""The log of a run with its epochs, searched and by level."""

from dataclasses import replace

from revconsole.lab import log_lines
from revconsole.records.logs.clock import StepTimes
from revconsole.records.logs.events import MetricDeclared
from revconsole.records.runs.run import LogLine, Run, Series, Summary
from revconsole.records.settings.plan import Plan

METRIC = MetricDeclared(
    name="validation_accuracy", unit="fraction", per="epoch", direction="up", meaning=""
)
SAID = (
    LogLine(time=1005.0, level="log", text="training on 1,437 images"),
    LogLine(time=1015.0, level="warning", text="validation accuracy fell"),
)
RUN = Run(
    summary=Summary(id="a", name="a", state="running", plan=Plan(name="a"), created=0.0, step=20),
    facts={"steps_per_epoch": 10},
    series={"validation_accuracy": Series(METRIC, [10, 20], [0.5, 0.4], 2)},
    times=StepTimes(steps=[10, 20], seconds=[10.0, 20.0], walls=[1010.0, 1020.0], length=2),
    log=SAID,
)  # fmt: skip


def test_epochs_stand_between_what_was_said_in_the_order_of_time():
    assert [line.text for line in log_lines.lines(RUN)] == [
        "training on 1,437 images",
        "epoch 1, step 10: val 50.0 %",
        "validation accuracy fell",
        "epoch 2, step 20: val 40.0 %",
    ]


def test_lines_are_found_by_words_and_by_urgency():
    every = log_lines.lines(RUN)
    assert len(log_lines.chosen(every, words="VAL")) == 3
    assert [line.level for line in log_lines.chosen(every, least="note")] == ["warning"]


def test_a_time_is_that_of_the_line_before_it_and_a_line_that_of_a_step():
    every = log_lines.lines(RUN)
    assert log_lines.at(every, 1016.0) == 2
    assert log_lines.at(every, 1000.0) is None
    assert RUN.times.step_at(1016.0) == 10
    assert RUN.times.step_at(1000.0) is None


def test_without_times_only_what_was_said_is_shown():
    assert log_lines.lines(replace(RUN, times=StepTimes())) == list(SAID)


def test_a_log_that_is_not_shown_whole_says_by_what_and_that_no_line_is_left():
    assert log_lines.heading(5) == ""
    assert log_lines.heading(5, least="warning") == "log: warning and above"
    assert (
        log_lines.heading(0, least="alarm", words=" nan ")
        == "log: alarm and above, with 'nan': no line"
    )


def test_the_lines_are_counted_and_what_is_urgent_of_them():
    alarm = LogLine(time=1012.0, level="alarm", text="nan")
    assert log_lines.counted([alarm]) == "1 line · 1 alarm"
    assert log_lines.counted(log_lines.lines(RUN)).endswith("lines · 1 warning")
    assert log_lines.counted(()) == "0 lines"


def test_what_the_processes_wrote_is_a_source_of_its_own():
    written = LogLine(time=1012.0, level="log", text="UserWarning: validation", source="output")
    every = log_lines.lines(replace(RUN, output=(written,)))

    assert [line.text for line in every].index(written.text) == 2
    assert log_lines.chosen(every, least="output") == [written]
    assert written in log_lines.chosen(every, words="validation")
    assert written not in log_lines.chosen(every, least="note")
    assert log_lines.heading(1, least="output") == "log: output of its processes"
    assert "is not kept" in log_lines.heading(0, least="output")
