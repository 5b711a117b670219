"""MFU: known where the card is, and never invented."""

import re

import pytest

from revconsole.records import card_peaks
from revconsole.records.card_peaks import CardPeaks, peak
from revconsole.records.logs.events import Measured, MetricDeclared, Started
from revconsole.training.learning import utilisation
from revconsole.training.machine import devices

CHIPS = {
    # multiprocessors, boost in GHz, multiply-adds of one in a cycle: float32, tf32, fp16 with sums in float32
    "Tesla V100-SXM2-16GB": (80, 1.530, 64, None, 512),
    "Tesla V100S-PCIE-32GB": (80, 1.597, 64, None, 512),
    "Tesla T4": (40, 1.590, 64, None, 512),
    "NVIDIA A100-SXM4-80GB": (108, 1.410, 64, 512, 1024),
    "NVIDIA A30": (56, 1.440, 64, 512, 1024),
    "NVIDIA A40": (84, 1.740, 128, 256, 512),
    "NVIDIA A10": (72, 1.695, 128, 256, 512),
    "NVIDIA H100 80GB HBM3": (132, 1.830, None, 1024, 2048),
    "NVIDIA H100 PCIe": (114, 1.620, None, 1024, 2048),
    "NVIDIA L4": (58, 2.040, 128, 256, 512),
    "NVIDIA L40": (142, 2.490, 128, 128, 256),
    "NVIDIA L40S": (142, 2.520, 128, 256, 512),
    "NVIDIA GeForce RTX 3070": (46, 1.725, 128, 128, 256),
    "NVIDIA GeForce RTX 3080": (68, 1.710, 128, 128, 256),
    "NVIDIA GeForce RTX 3090": (82, 1.695, 128, 128, 256),
    "NVIDIA RTX A6000": (84, 1.800, 128, 256, 512),
    "NVIDIA GeForce RTX 4080": (76, 2.505, 128, 128, 256),
    "NVIDIA GeForce RTX 4090": (128, 2.520, 128, 128, 256),
    "NVIDIA RTX 6000 Ada Generation": (142, 2.505, 128, 256, 512),
    "NVIDIA GeForce RTX 5090": (170, 2.407, 128, 128, 256),
}


@pytest.mark.parametrize("name", CHIPS)
def test_a_peak_is_what_the_multiprocessors_compute_in_a_second(name):
    count, gigahertz, *each = CHIPS[name]
    for precision, products in zip(("float32", "tf32", "fp16"), each, strict=True):
        if products is not None:
            computed = 2 * count * products * gigahertz * 1e9
            assert peak(name, precision) == pytest.approx(computed, rel=0.02)


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA GeForce RTX 4090 D", "NVIDIA GeForce RTX 3080 Ti",
        "NVIDIA A100-SXM4-40GB MIG 3g.20gb", "NVIDIA A10G", "NVIDIA T400", "NVIDIA L400", "Orin",
        "Intel(R) Xeon(R) Platinum 8480+", "", "AMD Instinct MI300X",
    ],
)  # fmt: skip
def test_a_card_that_only_resembles_one_has_no_peak(name):
    assert [peak(name, each) for each in ("float32", "tf32", "bf16", "fp16")] == [None] * 4


def test_a_precision_that_a_card_only_emulates_has_no_peak():
    assert peak("Tesla T4", "bf16") is peak("Tesla V100-SXM2-16GB", "tf32") is None


@pytest.fixture
def known_here(monkeypatch):
    """A table in which this machine's processor stands, at 10¹² operations a second."""
    name = card_peaks.MAKER.sub("", devices.device_name(devices.choose("cpu")))
    here = CardPeaks(called=re.escape(name), float32=1.0)
    monkeypatch.setattr(card_peaks, "PEAKS", {"here": here})


def told(log):
    return [
        e.values for e in log.of(Measured) if "loss" in e.values and "resident_bytes" in e.values
    ]


@pytest.mark.usefixtures("known_here")
def test_a_run_reports_its_share_of_the_peak(runner, small):
    log = runner(small())
    facts = log.of(Started)[0].facts
    each = 6 * facts["multiply_adds_per_image"]
    assert facts["device_peak_flops"] == 1e12
    assert "mfu" in {metric.name for metric in log.of(MetricDeclared)}
    assert told(log)
    for values in told(log):
        assert values["mfu"] == pytest.approx(each * values["images_per_second"] / 1e12)


@pytest.mark.usefixtures("known_here")
@pytest.mark.parametrize(
    "changes", [{"train": {"freeze": "head.*"}}, {"train": {"precision": "bf16"}}], ids=str
)
def test_where_other_operations_are_done_than_are_counted_it_is_absent(realise, changes):
    assert utilisation.seconds_at_peak(realise(**changes)) is None


def test_without_a_known_peak_it_is_absent(realise):
    state = realise()
    assert utilisation.facts(state) == {}
    assert utilisation.seconds_at_peak(state) is None
