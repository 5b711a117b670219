"""Peaks: how many operations per second a card computes at most, in dense products, by the precision of a run.

A multiply-add is two operations. Sparse products, which NVIDIA's pages often give, are twice as fast and are not meant.
Products of bf16 and fp16 add up in float32, as torch's do; on GeForce cards that is half of what the pages give first.
A card that is not here has no peak: a clock, a power limit or a slice (MIG) that differs would make it an invention.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from revconsole.errors import UnknownName

TERA = 1e12
MAKER = re.compile(r"(NVIDIA|Tesla|GeForce) ", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPeaks:
    """Operations per second in units of 10¹², by precision; None where the card has no such products.

    called: what follows the maker in the name that CUDA gives, as a pattern that matches the whole of it.
    """

    called: str
    float32: float
    tf32: float | None = None
    bf16: float | None = None
    fp16: float | None = None

    def in_precision(self, precision: str) -> float | None:
        """Operations per second in a plan's precision; None if the card has no such products."""
        value: float | None = getattr(self, precision, None)
        return None if value is None else value * TERA


def _ampere(called: str, float32: float, tf32: float, half: float) -> CardPeaks:
    """A card with tf32, whose products of bf16 and of fp16 are equally fast."""
    return CardPeaks(called=called, float32=float32, tf32=tf32, bf16=half, fp16=half)


PEAKS: Mapping[str, CardPeaks] = {
    # NVIDIA: V100 datasheet (2020), T4 datasheet (2019)
    "V100 SXM2": CardPeaks(called=r"V100-SXM2-(16|32)GB", float32=15.7, fp16=125.0),
    "V100 PCIe": CardPeaks(called=r"V100-PCIE-(16|32)GB", float32=14.0, fp16=112.0),
    "V100S": CardPeaks(called=r"V100S-PCIE-32GB", float32=16.4, fp16=130.0),
    "T4": CardPeaks(called=r"T4", float32=8.1, fp16=65.0),
    # NVIDIA: datasheets of A100 (2022), A30, A40, A10
    "A100": _ampere(r"A100-(SXM4|PCIE)-(40|80)GB|A100 80GB PCIe", 19.5, 156.0, 312.0),
    "A30": _ampere(r"A30", 10.3, 82.0, 165.0),
    "A40": _ampere(r"A40", 37.4, 74.8, 149.7),
    "A10": _ampere(r"A10", 31.2, 62.5, 125.0),
    # NVIDIA: H100 architecture whitepaper (2023), H100 and H200 datasheets (2024)
    "H100 SXM": _ampere(r"H100 80GB HBM3", 66.9, 494.7, 989.4),
    "H100 PCIe": _ampere(r"H100 PCIe", 51.2, 378.0, 756.0),
    "H100 NVL": _ampere(r"H100 NVL", 60.0, 417.5, 835.5),
    "H200 SXM": _ampere(r"H200", 66.9, 494.7, 989.4),
    "H200 NVL": _ampere(r"H200 NVL", 60.0, 417.5, 835.5),
    "GH200": _ampere(r"GH200 480GB", 66.9, 494.7, 989.4),
    # NVIDIA: L4, L40 and L40S datasheets (2023)
    "L4": _ampere(r"L4", 30.3, 60.0, 121.0),
    "L40": _ampere(r"L40", 90.5, 90.5, 181.0),
    "L40S": _ampere(r"L40S", 91.6, 183.0, 362.0),
    # NVIDIA: Ampere GA102 whitepaper (2021), appendix A
    "RTX 3070": _ampere(r"RTX 3070", 20.3, 20.3, 40.6),
    "RTX 3080": _ampere(r"RTX 3080", 29.8, 29.8, 59.5),
    "RTX 3090": _ampere(r"RTX 3090", 35.6, 35.6, 71.0),
    "RTX A6000": _ampere(r"RTX A6000", 38.7, 77.4, 154.8),
    # NVIDIA: Ada architecture whitepaper (2023), appendix A
    "RTX 4080": _ampere(r"RTX 4080", 48.7, 48.7, 97.5),
    "RTX 4090": _ampere(r"RTX 4090", 82.6, 82.6, 165.2),
    "RTX 6000 Ada": _ampere(r"RTX 6000 Ada Generation", 91.1, 182.1, 364.2),
    # NVIDIA: RTX Blackwell architecture whitepaper (2025), appendix A
    "RTX 5090": _ampere(r"RTX 5090", 104.8, 104.8, 209.5),
}
"""By the name that people use."""


def peak(name: str, precision: str) -> float | None:
    """Operations per second of the card that CUDA calls so, in the plan's precision; None if they are not known."""
    found = _called(name)
    return None if found is None else PEAKS[found].in_precision(precision)


def cards_named(name: str) -> tuple[str, ...]:
    """The cards that a name means, the fastest first: one, or all models of a series, as for H100. Raises UnknownName."""
    exact = {title.casefold(): title for title in PEAKS}.get(name.casefold()) or _called(name)
    if exact is not None:
        return (exact,)
    words = MAKER.sub("", name).casefold().split()
    found = [title for title in PEAKS if words and _within(words, title.casefold().split())]
    if not found:
        raise UnknownName("card with a known peak", name, map(str.casefold, PEAKS))
    return tuple(sorted(found, key=lambda title: -PEAKS[title].float32))


def _called(name: str) -> str | None:
    """The card that CUDA calls so."""
    model = MAKER.sub("", name)
    return next((title for title, card in PEAKS.items() if re.fullmatch(card.called, model)), None)


def _within(words: list[str], title: list[str]) -> bool:
    return all(word in title for word in words)
