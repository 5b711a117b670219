"""What a run may train on, before torch is loaded: by the driver's number of a card, whatever a process may see."""

import pytest

from revconsole.records import devices
from revconsole.records.devices import candidates


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A function: a machine with so many cards, of which a process may see some."""

    def made(cards, visible=None):
        for number in range(cards):
            (tmp_path / f"nvidia{number}").touch()
        (tmp_path / "nvidiactl").touch()
        monkeypatch.setattr(devices, "FILES", tmp_path)
        monkeypatch.setattr(devices.nvml.Nvml, "open", lambda: None)
        monkeypatch.delenv(devices.VISIBLE, raising=False)
        if visible is not None:
            monkeypatch.setenv(devices.VISIBLE, visible)

    return made


@pytest.mark.parametrize(
    ("cards", "visible", "device", "meant"),
    [
        (0, None, "cpu", ("cpu",)),
        (0, None, "mps", ("mps",)),
        (2, None, "cuda", ("cuda:0",)),
        (2, None, "cuda:1", ("cuda:1",)),
        (12, None, "cuda:11", ("cuda:11",)),
        (2, None, "auto", ("cuda:0", "cuda:1")),
        (4, "2,3", "auto", ("cuda:2", "cuda:3")),
        (4, "2,3", "cuda:1", ("cuda:3",)),
        (4, "3, 0", "cuda", ("cuda:3",)),
        (4, "1,-1,2", "auto", ("cuda:1",)),
        (4, "GPU-5e2f", "cuda:0", ("cuda:GPU-5e2f",)),
    ],
)
def test_a_device_is_named_as_the_driver_names_it(machine, cards, visible, device, meant):
    machine(cards, visible)
    assert candidates(device) == meant


@pytest.mark.parametrize(("cards", "visible"), [(0, None), (0, "0"), (2, ""), (2, "-1")])
def test_without_a_card_that_may_be_used_auto_is_no_card(machine, cards, visible):
    machine(cards, visible)
    assert candidates("auto")[0] in {"cpu", "mps"}
