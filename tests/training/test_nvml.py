"""What the driver says of its cards, and every part of it that may be missing."""

import sys
from types import SimpleNamespace

import pytest

from revconsole.training.machine import cards, nvml


class NVMLError(Exception):
    pass


def driver(found, *, starts=True, counts=True):
    """A stand-in for the package `pynvml`. found: id and free bytes of each card; None is not said."""

    def said(value):
        if value is None:
            raise NVMLError
        return value

    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: said(starts or None),
        nvmlShutdown=lambda: said(None),
        nvmlDeviceGetCount=lambda: said(len(found) if counts else None),
        nvmlDeviceGetHandleByIndex=lambda number: said(found[number]),
        nvmlDeviceGetUUID=lambda card: said(card[0]),
        nvmlDeviceGetMemoryInfo=lambda card: SimpleNamespace(free=said(card[1])),
    )


CARDS = [("GPU-b9", 8), (b"GPU-c1", 9), None, (None, 1), ("GPU-d4", None)]


@pytest.mark.parametrize(
    ("package", "known"),
    [
        (driver(CARDS), {"b9": 8, "c1": 9}),
        (driver([]), {}),
        (driver(CARDS, counts=False), {}),
        (driver(CARDS, starts=False), None),
        (None, None),
    ],
)
def test_what_a_card_does_not_say_is_left_out(monkeypatch, package, known):
    monkeypatch.setitem(sys.modules, "pynvml", package)

    assert nvml.free_by_id() == known


def test_nvidia_smi_is_asked_where_the_driver_says_nothing_to_python(monkeypatch, tmp_path):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho GPU-e5, 3\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert cards._free() == {"e5": 3 * 2**20}

    monkeypatch.setitem(sys.modules, "pynvml", driver([("GPU-e5", 7)]))
    assert cards._free() == {"e5": 7}
