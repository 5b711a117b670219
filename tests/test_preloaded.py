"""What the preloaded interpreter forks is what the tests asked for, as if an interpreter had started."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.preloaded import Forked, preloaded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are started as ever")
WAITS = [sys.executable, "-P", "-m", "revconsole.training.bench.processes"]
TESTS = """
import sys
code = "import sys; sys.exit(3 if 'torch' in sys.modules else 4)"
with sys.modules["tests.preloaded"].Forked([sys.executable, "-X", "preloaded", "-c", code]) as forked:
    sys.exit(forked.wait())
"""
WRONG = [sys.executable, "-m", "revconsole.training"]


def test_a_forked_process_has_the_place_in_the_system_that_it_was_given(tmp_path):
    asked = {"stdin": subprocess.PIPE, "cwd": tmp_path, "start_new_session": True}
    with Forked(WAITS, **asked) as process:
        seen = psutil.Process(process.pid)
        assert [word for word in seen.cmdline() if word] == WAITS
        assert (seen.cwd(), seen.ppid()) == (str(tmp_path), os.getpid())
        assert os.getsid(process.pid) == process.pid
        assert seen.num_threads() == 1
        process.kill()
    assert process.returncode == -signal.SIGKILL


def test_whoever_is_killed_while_it_asks_leaves_the_others_their_processes(tmp_path):
    with Forked(WAITS, cwd=tmp_path) as process:
        process.kill()
    for said in (b"", len(b"{}").to_bytes(8), len(b"{").to_bytes(8) + b"{"):
        with socket.socket(socket.AF_UNIX) as asked, Path(os.devnull).open() as nothing:
            asked.connect(f"\0{preloaded.address}")
            socket.send_fds(asked, [said], [nothing.fileno()]) if said else None

    with Forked(WAITS, cwd=tmp_path) as process:
        process.kill()
    assert process.returncode == -signal.SIGKILL


def test_a_process_that_runs_tests_is_forked_and_asks_one_of_its_own():
    with Forked([sys.executable, "-u", "-c", TESTS]) as worker:
        assert worker.wait(timeout=300) == 3


@pytest.mark.interpreter
def test_where_the_preloaded_interpreter_is_gone_processes_start_as_ever(monkeypatch):
    monkeypatch.setattr(preloaded, "address", "preloaded-nowhere")
    with Forked(WRONG, stderr=subprocess.PIPE, text=True) as process:
        process.communicate(timeout=300)
    assert process.returncode == 2


@pytest.mark.interpreter
def test_it_says_what_an_interpreter_says_and_ends_as_that():
    asked = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    ends = []
    for start in (subprocess.Popen, Forked):
        with start(WRONG, **asked) as process:
            ends.append((process.communicate(timeout=300), process.returncode))

    assert ends[0] == ends[1]
    assert ends[0][1] == 2


def test_a_process_with_other_modules_or_another_program_is_started_as_ever(tmp_path):
    (tmp_path / "pydantic.py").write_text("raise SystemExit('another module')", encoding="utf-8")
    environment = os.environ | {
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    }
    with Forked([*WRONG, "a", "b"], env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert "another module" in process.communicate(timeout=300)[1]
