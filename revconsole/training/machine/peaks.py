"""Peaks: how many operations per second a card computes at most, in dense products, by the precision of a run.

A multiply-add is two operations. Sparse products, which NVIDIA's pages often give, are twice as fast and are not meant.
Products of bf16 and fp16 add up in float32, as torch's do; on GeForce cards that is half of what the pages give first.
A card that is not here has no peak: a clock, a power limit or a slice (MIG) that differs would make it an invention.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

TERA = 1e12
MAKER = re.compile(r"(NVIDIA|Tesla|GeForce) ")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPeaks:
    """Operations per second in units of 10¹², by precision; None where the card has no such products."""

    float32: float
    tf32: float | None = None
    bf16: float | None = None
    fp16: float | None = None


def _ampere(float32: float, tf32: float, half: float) -> CardPeaks:
    """A card with tf32, whose products of bf16 and of fp16 are equally fast."""
    return CardPeaks(float32=float32, tf32=tf32, bf16=half, fp16=half)


H100_SXM = _ampere(66.9, 494.7, 989.4)
PEAKS: Mapping[str, CardPeaks] = {
    # NVIDIA: V100 datasheet (2020), T4 datasheet (2019)
    r"V100-SXM2-(16|32)GB": CardPeaks(float32=15.7, fp16=125.0),
    r"V100-PCIE-(16|32)GB": CardPeaks(float32=14.0, fp16=112.0),
    r"V100S-PCIE-32GB": CardPeaks(float32=16.4, fp16=130.0),
    r"T4": CardPeaks(float32=8.1, fp16=65.0),
    # NVIDIA: datasheets of A100 (2022), A30, A40, A10
    r"A100-(SXM4|PCIE)-(40|80)GB|A100 80GB PCIe": _ampere(19.5, 156.0, 312.0),
    r"A30": _ampere(10.3, 82.0, 165.0),
    r"A40": _ampere(37.4, 74.8, 149.7),
    r"A10": _ampere(31.2, 62.5, 125.0),
    # NVIDIA: H100 architecture whitepaper (2023), H100 and H200 datasheets (2024)
    r"H100 80GB HBM3|H200|GH200 480GB": H100_SXM,
    r"H100 PCIe": _ampere(51.2, 378.0, 756.0),
    r"(H100|H200) NVL": _ampere(60.0, 417.5, 835.5),
    # NVIDIA: L4, L40 and L40S datasheets (2023)
    r"L4": _ampere(30.3, 60.0, 121.0),
    r"L40": _ampere(90.5, 90.5, 181.0),
    r"L40S": _ampere(91.6, 183.0, 362.0),
    # NVIDIA: Ampere GA102 whitepaper (2021), appendix A
    r"RTX 3070": _ampere(20.3, 20.3, 40.6),
    r"RTX 3080": _ampere(29.8, 29.8, 59.5),
    r"RTX 3090": _ampere(35.6, 35.6, 71.0),
    r"RTX A6000": _ampere(38.7, 77.4, 154.8),
    # NVIDIA: Ada architecture whitepaper (2023), appendix A
    r"RTX 4080": _ampere(48.7, 48.7, 97.5),
    r"RTX 4090": _ampere(82.6, 82.6, 165.2),
    r"RTX 6000 Ada Generation": _ampere(91.1, 182.1, 364.2),
    # NVIDIA: RTX Blackwell architecture whitepaper (2025), appendix A
    r"RTX 5090": _ampere(104.8, 104.8, 209.5),
}  # fmt: skip
"""By what follows the maker in the name that CUDA gives; the whole of it has to match."""


def peak(name: str, precision: str) -> float | None:
    """Operations per second of the card of that name in the plan's precision; None if they are not known."""
    model = MAKER.sub("", name)
    found = next((each for pattern, each in PEAKS.items() if re.fullmatch(pattern, model)), None)
    value: float | None = getattr(found, precision, None)
    return None if value is None else value * TERA
