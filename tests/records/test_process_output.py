"""What the processes of a run wrote: data, read as it grows, never more than a part of it."""

import os

import pytest

from revconsole.records.runs.process_output import MOST_LINES, ProcessOutput


@pytest.fixture
def written(tmp_path):
    """Write to a file of an attempt and set its time."""

    def write(text, number=1, name="output.log", when=1000.0, mode="ab"):
        folder = tmp_path / "attempts" / f"{number:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / name).open(mode) as file:
            file.write(text)
        os.utime(folder / name, (when, when))

    return write


def texts(lines):
    return [line.text for line in lines]


def test_lines_of_all_attempts_come_in_order_and_keep_the_time_at_which_they_were_seen(
    tmp_path, written
):
    reader = ProcessOutput()
    assert reader.lines(tmp_path, [1]) == ()
    written(b"began early\n", name="launch.log", when=900.0)
    written(b"one\ntw")
    assert texts(reader.lines(tmp_path, [1])) == ["began early", "one", "tw"]

    written(b"o\nthree\n", when=1010.0)
    written(b"again\n", number=2, when=1020.0)
    found = reader.lines(tmp_path, [1, 2])

    assert texts(found) == ["began early", "one", "two", "three", "again"]
    assert [line.time for line in found] == [900.0, 1000.0, 1010.0, 1010.0, 1020.0]
    assert {line.source for line in found} == {"output"}
    assert reader.lines(tmp_path, [1, 2]) is found


def test_a_progress_bar_is_its_last_state_and_blank_lines_are_none(tmp_path, written):
    written(b"10%\r50%\r100%\r\n\n   \nend")
    assert texts(ProcessOutput().lines(tmp_path, [1])) == ["100%", "end"]


def test_of_a_long_output_the_end_is_read_and_odd_bytes_are_no_fault(tmp_path, written):
    written(b"\xff\xfe" + b"x" * 5000 + b"\n")
    written(b"".join(b"line %d\n" % n for n in range(30_000)))
    found = ProcessOutput().lines(tmp_path, [1])
    assert len(found) == MOST_LINES
    assert found[-1].text == "line 29999"
    reader = ProcessOutput()
    written(b"\x1b[31mred\n", mode="wb")
    assert texts(reader.lines(tmp_path, [1])) == ["\x1b[31mred"]
    written(b"new\n", mode="wb")
    assert texts(reader.lines(tmp_path, [1])) == ["new"], "a shorter file is read anew"


def test_what_is_no_file_has_no_lines(tmp_path, written):
    written(b"", name="other")
    (tmp_path / "attempts" / "0001" / "output.log").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "attempts" / "0001" / "launch.log")
    assert ProcessOutput().lines(tmp_path, [1]) == ()
