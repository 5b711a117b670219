"""The console's own log: errors with their tracebacks, bounded, and nothing where nothing goes wrong."""

import threading
import warnings

import pytest

from revconsole.console import app_log
from revconsole.console.messages import Said
from revconsole.records.config import places


@pytest.fixture
def log(tmp_path):
    file = tmp_path / "state" / "console.log"
    app_log.begin(file)
    yield file
    app_log.end()


@pytest.mark.filterwarnings("default:odd")
def test_errors_warnings_and_what_ends_a_thread_are_noted_with_their_tracebacks(log, capfd):
    assert not log.exists()
    app_log.note("the disk\nis full", OSError("no room"))
    warnings.warn("odd", stacklevel=1)
    thread = threading.Thread(target=lambda: 1 / 0, name="reader")
    thread.start()
    thread.join()

    text = log.read_text("utf-8")
    for part in ("ERROR the disk is full", "OSError: no room", "odd", "reader: ZeroDivisionError"):
        assert part in text
    assert "".join(capfd.readouterr()) == ""


def test_the_log_stays_small_and_an_unwritable_one_costs_nothing(log, tmp_path, capfd):
    for _ in range(40):
        app_log.note("x" * (app_log.LARGEST_BYTES // 10))
    files = sorted(log.parent.iterdir())
    assert len(files) == 1 + app_log.KEPT
    assert all(file.stat().st_size <= app_log.LARGEST_BYTES for file in files)

    (tmp_path / "taken").write_text("a file")
    app_log.begin(tmp_path / "taken" / "console.log")
    app_log.note("lost")
    assert "".join(capfd.readouterr()) == ""


async def test_a_letter_goes_to_a_pane_and_errors_of_the_console_are_in_its_log(opened, recorder):
    run_id = recorder.finished("one")
    async with opened(100, 30, [run_id]) as stage:
        await stage.shows("accuracy (%)", "facts")
        before = stage.app.focused
        await stage.press("semicolon")
        await stage.shows(" a ", " s ", " d ")
        await stage.press("d")
        await stage.until(lambda: stage.app.focused is not before)
        assert stage.app.focused is stage.app.screen.focus_chain[2]
        await stage.press("semicolon", "escape")
        assert stage.app.focused is stage.app.screen.focus_chain[2]
        assert not places.console_log().exists()
        stage.app.on_said(Said("the store is gone", "error"))
        assert "the store is gone" in places.console_log().read_text("utf-8")
