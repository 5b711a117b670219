"""The ETA of real runs: 33 of many kinds, recorded with the processor's time of the process for a clock, one thread.

`finished_runs.jsonl.gz` holds a run in each line: its name, and of each event kind, elapsed and what the ETA depends on.
It is replayed, so neither the load of this machine nor its clock plays a part. `record_runs.py` recorded 19 of them; the
others are of a trainer that made its first report only after half a second.
"""

import gzip
import importlib.util
import json
from pathlib import Path

import pytest

from revconsole.records.logs.events import KINDS, LoggedEvent

LOGS = Path(__file__).with_name("finished_runs.jsonl.gz")
RIGHT = {0.5: 0.9, 0.75: 0.9, 0.9: 0.8}
"""Of all runs, by how much of the time has passed. At the end a quarter of a second is left, and noise is much of it."""


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
            LoggedEvent(seq=n, time=0.0, elapsed=elapsed, event=KINDS[kind](**given))
            for n, (kind, elapsed, given) in enumerate(events, 1)
        ]
    return found


@pytest.mark.parametrize("share", RIGHT)
def test_it_is_right_within_a_fifth_for_nine_of_ten_runs(eta, runs, share):
    ratios = {name: eta.shown_over_true(records, share) for name, records in runs.items()}
    wrong = {name: r for name, r in ratios.items() if r is None or abs(r - 1) > 0.2}

    assert len(runs) > 20
    assert len(runs) - len(wrong) >= RIGHT[share] * len(runs), wrong


def test_what_is_said_early_is_right_too_and_a_quarter_in_it_is_said(eta, runs):
    early, quarter = (
        {name: eta.shown_over_true(records, share) for name, records in runs.items()}
        for share in (0.1, 0.25)
    )
    assert all(ratio is None or 0.7 < ratio < 1.3 for ratio in early.values()), early
    assert sum(ratio is not None for ratio in early.values()) >= 9
    right = [ratio for ratio in quarter.values() if ratio is not None and abs(ratio - 1) <= 0.2]
    assert len(right) >= 0.8 * len(runs), quarter


@pytest.mark.parametrize("name", ["svm-large", "svm-large-test", "svm-linear"])
def test_that_of_a_fit_has_the_evaluation_in_it(eta, runs, name):
    for share in (0.25, 0.5, 0.75, 0.9):
        assert 0.7 < eta.shown_over_true(runs[name], share) < 1.4


def test_it_is_never_nonsense_once_a_quarter_is_done(eta, runs):
    for name, records in runs.items():
        for share in (0.25, 0.4, 0.5, 0.6, 0.75, 0.8):
            ratio = eta.shown_over_true(records, share)
            assert ratio is None or 0.5 < ratio < 2, (name, share, ratio)


def test_the_table_says_how_many_are_right(eta):
    lines = eta.table([[1.0, 0.85, None, 2.0, 1.0], [1.1, 0.5, 1.0, 1.19, 1.0]])

    assert lines[2].split() == ["25%", "0.68", "0.50", "0.85", "1", "of", "2"]
    assert lines[3].split()[-3:] == ["1", "of", "2"]
