"""The least time on a card: multiply-adds over the peak, the fastest of a name, and what is refused."""

import pytest

from revconsole.errors import ProfileError, UnknownName
from revconsole.lab import at_peak
from revconsole.lab.at_peak import LeastTime, card_named, least_time
from revconsole.records.card_peaks import PEAKS, cards_named, peak
from revconsole.records.foresight import products
from revconsole.records.foresight.products import StepProducts
from revconsole.records.settings.plan import Plan


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("h100", ("H100 SXM", "H100 NVL", "H100 PCIe")), ("V100", ("V100 SXM2", "V100 PCIe")), ("L40", ("L40",)),
        ("4090", ("RTX 4090",)), ("NVIDIA GeForce RTX 4090", ("RTX 4090",)), ("NVIDIA H100 80GB HBM3", ("H100 SXM",)),
    ],
)  # fmt: skip
def test_a_name_means_a_card_or_its_series_the_fastest_first(name, meant):
    assert cards_named(name) == meant


@pytest.mark.parametrize("name", ["H1000", "Radeon", "", "NVIDIA ", "0"])
def test_a_card_that_is_not_known_is_refused(name):
    with pytest.raises(UnknownName, match="no card with a known peak"):
        cards_named(name)


def test_a_card_is_found_by_what_it_is_called_here():
    """Each pattern means its own card alone, so no peak is hidden behind another."""
    for title, card in PEAKS.items():
        first = (
            card.called.partition("|")[0].replace("(16|32)", "16").replace("(SXM4|PCIE)", "PCIE")
        )
        name = first.replace("V100-SXM2-(16", "V100-SXM2-16GB").replace(
            "V100-PCIE-(16", "V100-PCIE-16GB"
        )
        name = name.replace("A100-(SXM4", "A100-SXM4-40GB")
        assert cards_named(f"NVIDIA {name}") == (title,)
        assert peak(f"NVIDIA {name}", "float32") == card.float32 * 1e12


@pytest.fixture
def counted(monkeypatch):
    """A thousand multiply-adds an image, whatever the model."""
    monkeypatch.setattr(products, "known", lambda _plan: StepProducts(image=1000, micro_batch=0))


@pytest.mark.usefixtures("counted")
def test_the_least_time_is_all_products_over_the_peak():
    plan = Plan(name="p", train={"epochs": 2, "precision": "bf16"})
    time = least_time(plan, card_named("A100"))

    flops = 2 * 1000 * 2 * plan.trained_images
    assert time.seconds() == pytest.approx(flops / 312e12)
    assert time.seconds(0.25) == pytest.approx(4 * flops / 312e12)
    assert LeastTime(peak=312e12, ranks=2, multiply_adds=flops // 2).seconds() == pytest.approx(flops / 624e12)  # fmt: skip


@pytest.mark.usefixtures("counted")
def test_a_precision_that_a_card_does_not_have_is_refused():
    with pytest.raises(ProfileError, match="V100 SXM2 has no products in bf16"):
        least_time(Plan(name="p", train={"precision": "bf16"}), card_named("V100"))


def test_what_is_fitted_has_no_steps():
    time = least_time(Plan(name="p", model={"architecture": "svm"}), card_named("A100"))

    assert (time.seconds(), time.why_not) == (None, "it is fitted at once and has no steps")


def test_several_runs_are_summed_and_what_is_unknown_is_said():
    known = LeastTime(peak=1e12, multiply_adds=5 * 10**14)
    card = card_named("H100")

    said = at_peak.sentence(card, [known, known, LeastTime(peak=1e12, why_not="fitted")], 0.5)
    assert said == (
        "on H100 SXM, the fastest of 3: all 3 runs, one after the other, at least 33 min 20 s without 1 of them "
        "(1 TFLOP/s at its peak); 1 h 06 min at the given 50% of it"
    )
    assert at_peak.sentence(card, [LeastTime(peak=1e12)], None).endswith("no time is known")
