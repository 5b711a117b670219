"""The column cache of a log makes reading faster, never different."""

import json
import math
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from revconsole.records.logs import column_cache, reading
from revconsole.records.logs import events as events_of_lines
from revconsole.records.logs.column_cache import ColumnCacheWriter
from revconsole.records.logs.events import (
    Advised,
    Answered,
    Checkpointed,
    EpochFinished,
    Failed,
    Finished,
    Logged,
    LoggedEvent,
    Measured,
    MetricDeclared,
    Started,
    encode,
)
from revconsole.records.runs.tail import Header, Tail
from revconsole.records.settings.plan import Plan

names = st.sampled_from([
    "loss", "validation_accuracy", "resident_bytes", "gradient_error", "ö\n", "epoch_seconds",
    "validation_seconds", "probe_seconds", "seconds_left",
])  # fmt: skip
numbers = (
    st.sampled_from([math.nan, math.inf, -math.inf, -0.0])
    | st.floats()
    | st.integers(-(2**60), 2**60)
)
values = st.dictionaries(names, numbers, max_size=4)
steps = st.integers(0, 30)
events = st.one_of(
    st.builds(Measured, step=steps, epoch=steps, values=values),
    st.builds(Measured, step=steps, epoch=steps, values=values),
    st.builds(EpochFinished, epoch=steps, step=steps, values=values, unpredicted=st.just(())),
    st.builds(
        Started,
        facts=st.dictionaries(st.sampled_from(["steps", "device"]), st.integers() | st.text()),
        resumed_from=st.none() | steps,
    ),
    st.builds(Answered, verb=st.sampled_from(["pause", "continue", "stop"]), by=st.just("me"), step=steps),
    st.builds(Finished, outcome=st.just("completed"), step=steps, values=values, eta=st.just({})),
    st.builds(Failed, reason=st.text(max_size=5)),
    st.builds(Logged, text=st.text(st.characters(exclude_categories=["Cs"]), max_size=9)),
    st.builds(Advised, level=st.just("alarm"), text=st.just("a")),
    st.builds(
        Checkpointed, step=steps, epoch=steps, file=st.just("f"), best=st.booleans()
    ),
    st.builds(
        MetricDeclared,
        name=names,
        unit=st.sampled_from(["nats", "B"]),
        per=st.just("step"),
        direction=st.just("down"),
        meaning=st.just("m"),
    ),
)  # fmt: skip
logs = st.lists(st.lists(events, max_size=25), min_size=1, max_size=3)
chunk_bytes = st.sampled_from([1, 150, 700, 3000])


class Writer:
    """Writes one attempt as `Attempt` does, by a clock of its own."""

    def __init__(self, run_folder: Path, number: int, chunk_bytes: int) -> None:
        self.folder = run_folder / "attempts" / f"{number:04d}"
        self.folder.mkdir(parents=True)
        self.log, self.seq = self.folder / "events.jsonl", 0
        self.log.touch()
        self.columns = ColumnCacheWriter(self.folder, chunk_bytes)

    def emit(self, event) -> None:
        self.seq += 1
        record = LoggedEvent(seq=self.seq, time=1e9 + self.seq, event=event, elapsed=self.seq / 3)
        line = encode(record)
        self.append(line)
        self.columns.add((record, line))

    def append(self, text: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(text)


def follower(run_folder: Path) -> Tail:
    header = Header(id="aaaaaaaa", created=0.0, plan=Plan(name="a"))
    return Tail(header, run_folder, series=True)


def shown(tail: Tail) -> str:
    """Everything that a reader can see of a run; a text, because NaN equals nothing."""
    run = tail.run()
    series = {n: (s.metric, s.steps, s.values) for n, s in run.series.items()}
    running, known = tail._running, tail._running._times
    times = (
        known.pace(),
        known.validation(),
        known.between(),
        known.remaining(99),
        known.announced_remaining(),
        running.seconds,
    )
    return repr((run.summary, run.facts, series, run.log, run.times, times))


def without_cache(run_folder: Path) -> str:
    for path in run_folder.rglob(column_cache.FILE):
        path.unlink()
    return shown(follower(run_folder))


def written(run_folder: Path, attempts, chunk_bytes: int) -> list[Writer]:
    writers = []
    for number, some in enumerate(attempts, 1):
        writer = Writer(run_folder, number, chunk_bytes)
        for event in some:
            writer.emit(event)
        writers.append(writer)
    return writers


@settings(deadline=None)  # files are written, on machines that do other things too
@given(logs, chunk_bytes)
def test_a_run_with_column_caches_shows_what_it_shows_without(attempts, chunk_bytes):
    with TemporaryDirectory() as name:
        written(Path(name), attempts, chunk_bytes)

        assert shown(follower(Path(name))) == without_cache(Path(name))


@settings(deadline=None)  # files are written, on machines that do other things too
@given(logs, chunk_bytes, st.data())
def test_a_log_cut_or_changed_after_its_columns_were_written_is_believed(attempts, size, data):
    with TemporaryDirectory() as name:
        writer = data.draw(st.sampled_from(written(Path(name), attempts, size)))
        whole = writer.log.read_bytes()
        at = data.draw(st.integers(0, len(whole)))
        other = data.draw(st.binary(max_size=5))
        rest = data.draw(st.sampled_from([b"", whole[at:], whole[at + len(other) :]]))
        writer.log.write_bytes(whole[:at] + other + rest)

        assert shown(follower(Path(name))) == without_cache(Path(name))


@settings(deadline=None)  # files are written, on machines that do other things too
@given(logs, chunk_bytes, st.data())
def test_a_damaged_column_cache_changes_nothing(attempts, size, data):
    with TemporaryDirectory() as name:
        written(Path(name), attempts, size)
        for path in Path(name).rglob(column_cache.FILE):
            whole = path.read_bytes()
            at = data.draw(st.integers(0, len(whole)))
            other = data.draw(st.binary(max_size=9))
            path.write_bytes(
                whole[:at] + other + whole[at + data.draw(st.sampled_from([0, len(other), 999])) :]
            )

        assert shown(follower(Path(name))) == without_cache(Path(name))


@settings(deadline=None)  # files are written, on machines that do other things too
@given(st.lists(events, max_size=40), chunk_bytes, st.data())
@example([Measured(step=1, epoch=1, values={"loss": 1.0})] * 9, 150, None)
def test_followers_who_came_at_any_time_agree(some, size, data):
    with TemporaryDirectory() as name:
        writer, followers = Writer(Path(name), 1, size), []
        for event in some:
            writer.emit(event)
            if data is None or data.draw(st.booleans()):
                followers.append(follower(Path(name)))
                followers[-1].run()
            if data is not None and data.draw(st.integers(0, 9)) == 0:
                writer.append(b'{"half a line\n')

        assert {shown(each) for each in followers} <= {without_cache(Path(name))}


@pytest.mark.parametrize(("resumed_from", "alarm"), [(3, ""), (5, "diverged"), (8, "diverged")])
def test_an_alarm_is_of_the_step_it_was_raised_at(tmp_path, resumed_from, alarm):
    first = Writer(tmp_path, 1, 700)
    for step in range(1, 10):
        first.emit(Measured(step=step, epoch=1, values={"loss": 1.0}))
        if step == 5:
            first.emit(Advised(level="alarm", text="a", rule="diverged"))
    Writer(tmp_path, 2, 150).emit(Started(facts={}, resumed_from=resumed_from))

    assert follower(tmp_path).run().summary.alarm == alarm
    assert shown(follower(tmp_path)) == without_cache(tmp_path)


def test_the_column_cache_is_what_is_read(tmp_path):
    writer = Writer(tmp_path, 1, 5000)
    for step in range(1, 101):
        writer.emit(Measured(step=step, epoch=1, values={"loss": 1.0, "resident_bytes": math.nan}))
    chunk = next(column_cache.chunks(writer.folder))
    chunk.stretches[0].block.columns["loss"].values[0] = 7.0
    (writer.folder / column_cache.FILE).write_bytes(column_cache.pack(chunk))

    run = follower(tmp_path).run()

    assert run.series["loss"].values[:2] == [7.0, 1.0]
    assert run.series["loss"].steps == list(range(1, 101))


def test_a_column_cache_goes_on_after_half_a_line_and_after_a_value_no_column_can_hold(tmp_path):
    writer = Writer(tmp_path, 1, 500)
    for step in range(1, 40):
        writer.emit(Measured(step=step, epoch=1, values={"loss": 1.0}))
        if step == 10:
            writer.append(b'{"seq":\n')
        if step == 20:
            writer.emit(Measured(step=2**70, epoch=1, values={"loss": 1.0}))

    stretches = [(chunk.start, chunk.stop) for chunk in column_cache.chunks(writer.folder)]

    assert len(stretches) > 4
    assert stretches[-1][1] > writer.log.stat().st_size - 1000
    assert shown(follower(tmp_path)) == without_cache(tmp_path)


def test_few_lines_of_a_log_are_parsed_at_whatever_length_it_stands(tmp_path, monkeypatch):
    def counted(line):
        nonlocal parsed
        parsed += 1
        return events_of_lines.decode(line)

    parsed, steps = 0, 3000
    writer = Writer(tmp_path, 1, column_cache.CHUNK_BYTES)
    for step in range(steps):
        writer.emit(Measured(step=step, epoch=1, values={"loss": 1 / 3, "accuracy": 2 / 3}))
    monkeypatch.setattr(reading, "decode", counted)

    assert follower(tmp_path).run().series["loss"].length == steps
    assert 0 < parsed < steps / 3


def test_a_disk_that_takes_no_column_cache_does_not_harm_the_run(tmp_path):
    writer = Writer(tmp_path, 1, 300)
    (writer.folder / column_cache.FILE).mkdir()

    for step in range(1, 40):
        writer.emit(Measured(step=step, epoch=1, values={"loss": 1.0}))

    assert follower(tmp_path).run().series["loss"].length == 39


@pytest.mark.parametrize("body", [b"", b"[]", b"[[", b'[{"lines":[],"columns":[["a",9,"a",1]]}]'])
def test_a_chunk_with_a_good_checksum_and_nonsense_inside_is_passed_over(tmp_path, body):
    writer = Writer(tmp_path, 1, 1 << 20)
    writer.emit(Logged(text="one"))
    line = writer.log.read_bytes()
    head = (column_cache.MARK, 0, len(line), zlib.crc32(line), len(body), 0)
    crc = zlib.crc32(body, zlib.crc32(column_cache.HEAD.pack(*head, 0)))
    (writer.folder / column_cache.FILE).write_bytes(column_cache.HEAD.pack(*head, crc) + body)

    assert [line.text for line in follower(tmp_path).run().log] == (
        [] if body == b"[]" else ["one"]
    )
    assert json.loads(line)["text"] == "one"
