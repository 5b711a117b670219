"""The age of files by the clock of their file system, which may be set while it is read seldom."""

import os
import time

import pytest

from revconsole.records.files import clock


@pytest.fixture
def read_before(tmp_path):
    """A function that makes the kept reading of the clock wrong by so many seconds, as if the clock had been set since."""

    def wrong(seconds):
        device = tmp_path.stat().st_dev
        clock._readings[device] = (time.monotonic(), clock._stamped(tmp_path) + seconds)

    yield wrong
    clock._readings.clear()


def test_a_file_is_not_of_the_future_because_the_clock_was_set_forward(tmp_path, read_before):
    read_before(-3600)
    file = tmp_path / "file"
    file.touch()
    assert clock.age(file) >= 0


def test_a_file_of_the_future_stays_so(tmp_path, read_before):
    read_before(0)
    file = tmp_path / "file"
    file.touch()
    then = file.stat().st_mtime + 3600
    os.utime(file, (then, then))
    assert clock.age(file) < 0
