"""What other programs call a metric is kept under our name where we have one; every row of the page's table is what happens."""

import re
from pathlib import Path

import pytest

from revconsole.records.metric_names import MetricName, declared, our_metric

PAGE = Path(__file__).parents[2] / "docs" / "own-loop.md"


def test_the_table_of_the_page_is_what_happens():
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    told = {
        theirs: re.findall(r"`([^`]+)`", ours)[0]
        for every, ours in rows
        for theirs in re.findall(r"`([^`]+)`", every)
    }

    assert len(told) > 20
    assert {theirs: our_metric(theirs).name for theirs in told} == told


@pytest.mark.parametrize(
    "name", ["F1", "val_f1", "my_loss", "test", "top5", "", "x_top1", "eval/x/loss"]
)
def test_any_other_name_keeps_its_spelling(name):
    assert our_metric(name) == MetricName(name)


def test_percent_become_fractions_and_the_declaration_says_so():
    name = our_metric("eval_top1")

    assert name == MetricName("validation_accuracy", 0.01)
    metric = declared(name, "eval_top1")
    assert (metric.unit, metric.per, metric.direction) == ("fraction", "epoch", "up")
    assert metric.meaning == "What its program calls eval_top1 in percent."
