"""What surrounds the import of torch."""

import gc
import subprocess
import sys

import pytest

from revconsole import errors
from revconsole.errors import NotLoaded, loading


def test_nothing_is_collected_while_it_loads_and_as_before_afterwards(monkeypatch):
    monkeypatch.setattr(errors, "_why_not_loaded", [])
    with loading():
        assert not gc.isenabled()
    assert gc.isenabled()

    with pytest.raises(NotLoaded, match=r"ImportError: of no such library"), loading():
        raise ImportError("of no such library")
    assert gc.isenabled()


def test_the_reason_is_the_first_each_time(monkeypatch):
    monkeypatch.setattr(errors, "_why_not_loaded", [])
    for reason in ("too little memory", "partially initialised module"):
        with pytest.raises(NotLoaded, match="too little memory"), loading():
            raise ImportError(reason)


def test_who_has_stopped_the_collector_finds_it_stopped():
    gc.disable()
    try:
        with loading():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_was_loaded_is_collected_at_the_end_or_libraries_complain_of_what_they_left():
    program = (
        "import atexit, gc, sys, types\n"
        "from revconsole.errors import loading\n"
        "atexit.register(lambda: print(gc.get_freeze_count()))\n"
        "with loading():\n"
        "    sys.modules['torch'] = types.ModuleType('torch')\n"
        "print(gc.get_freeze_count() > 0)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert said.stdout.split() == ["True", "0"]
