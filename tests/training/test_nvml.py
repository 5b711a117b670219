"""What the driver says of its cards, and every part of it that may be missing."""

import sys
from types import SimpleNamespace

import pytest

from revconsole.records import nvml
from revconsole.records.nvml import Gpu, GpuProcess, Nvml
from revconsole.training.machine import cards


class NVMLError(Exception):
    pass


def driver(found, *, starts=True, counts=True):
    """A stand-in for the package `pynvml`. found: what each card says, by name; None or absent is not said."""

    def said(value):
        if value is None:
            raise NVMLError
        return value

    def of(card, name):
        return said(card.get(name))

    return SimpleNamespace(
        NVMLError=NVMLError,
        NVML_TEMPERATURE_GPU=0,
        NVML_TEMPERATURE_THRESHOLD_SLOWDOWN=1,
        nvmlInit=lambda: said(starts or None),
        nvmlShutdown=lambda: said(None),
        nvmlDeviceGetCount=lambda: said(len(found) if counts else None),
        nvmlDeviceGetHandleByIndex=lambda number: said(found[number]),
        nvmlDeviceGetUUID=lambda card: of(card, "id"),
        nvmlDeviceGetName=lambda card: of(card, "name"),
        nvmlDeviceGetMemoryInfo=lambda card: SimpleNamespace(
            free=of(card, "free"), used=card.get("used", 0), total=card.get("total", 0)
        ),
        nvmlDeviceGetUtilizationRates=lambda card: SimpleNamespace(gpu=of(card, "use")),
        nvmlDeviceGetTemperature=lambda card, _: of(card, "temperature"),
        nvmlDeviceGetTemperatureThreshold=lambda card, _: of(card, "hottest"),
        nvmlDeviceGetPowerUsage=lambda card: of(card, "power"),
        nvmlDeviceGetEnforcedPowerLimit=lambda card: of(card, "power_limit"),
        nvmlDeviceGetComputeRunningProcesses=lambda card: of(card, "processes"),
    )


CARDS = [
    {"id": "GPU-b9", "free": 8},
    {"id": b"GPU-c1", "free": 9},
    None,
    {"free": 1},
    {"id": "GPU-d4"},
]


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


def test_a_card_is_read_with_the_units_of_the_console_and_without_what_it_does_not_say():
    full = {
        "id": "GPU-b9", "name": b"H200", "free": 4, "used": 5, "total": 10, "use": 87, "temperature": 61, "hottest": 90,
        "power": 310_500, "power_limit": 700_000, "processes": [SimpleNamespace(pid=7, usedGpuMemory=None)],
    }  # fmt: skip
    package = driver([full, {}])
    del package.nvmlDeviceGetName  # an older package

    whole, silent = Nvml(package).gpus()

    assert whole == Gpu(
        number=0, id="b9", name="", use=0.87, used=5, free=4, total=10, temperature=61, hottest=90, power=310.5,
        power_limit=700.0, processes=(GpuProcess(pid=7),),
    )  # fmt: skip
    assert silent == Gpu(number=1)


def test_nvidia_smi_is_asked_where_the_driver_says_nothing_to_python(monkeypatch, tmp_path):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho GPU-e5, 3\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert cards._free() == {"e5": 3 * 2**20}

    monkeypatch.setitem(sys.modules, "pynvml", driver([{"id": "GPU-e5", "free": 7}]))
    assert cards._free() == {"e5": 7}
