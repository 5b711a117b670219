"""The ETA of real runs: 22 of many kinds, recorded with the processor's time of the process for a clock, one thread.

`finished_runs.jsonl.gz` holds a run in each line: its name, and of each event kind, elapsed and what the ETA depends on.
It is replayed, so neither the load of this machine nor its clock plays a part.
"""

import gzip
import importlib.util
import json
from pathlib import Path

import pytest

from revconsole.records.events import KINDS, Record

LOGS = Path(__file__).with_name("finished_runs.jsonl.gz")
NINE_OF_TEN = 0.9
FROM_HALF_WAY = (0.5, 0.75, 0.9)
NOT_FORETOLD = {"svm-large"}
"""The evaluation of a support vector machine, which begins when it is fitted, is in no forecast of its fit."""


@pytest.fixture(scope="module")
def eta():
    """The script beside this file."""
    spec = importlib.util.spec_from_file_location("eta", Path(__file__).with_name("eta.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def runs():
    found = {}
    for line in gzip.decompress(LOGS.read_bytes()).splitlines():
        name, events = json.loads(line)
        found[name] = [
            Record(seq=n, time=0.0, elapsed=elapsed, event=KINDS[kind](**given))
            for n, (kind, elapsed, given) in enumerate(events, 1)
        ]
    return found


@pytest.mark.parametrize("share", FROM_HALF_WAY)
def test_it_is_right_within_a_fifth_for_nine_of_ten_runs(eta, runs, share):
    ratios = {name: eta.shown_over_true(records, share) for name, records in runs.items()}
    wrong = {name: r for name, r in ratios.items() if r is None or abs(r - 1) > 0.2}

    assert len(runs) > 20
    assert len(wrong) <= (1 - NINE_OF_TEN) * len(runs), wrong


def test_it_is_never_nonsense_once_a_quarter_is_done(eta, runs):
    for name, records in runs.items():
        for share in (0.25, 0.4, 0.5, 0.6, 0.75, 0.8):
            ratio = eta.shown_over_true(records, share)
            assert ratio is None or name in NOT_FORETOLD or 0.5 < ratio < 2, (name, share, ratio)


def test_the_table_says_how_many_are_right(eta):
    lines = eta.table([[1.0, 0.85, None, 2.0, 1.0], [1.1, 0.5, 1.0, 1.19, 1.0]])

    assert lines[2].split() == ["25%", "0.68", "0.50", "0.85", "1", "of", "2"]
    assert lines[3].split()[-3:] == ["1", "of", "2"]
