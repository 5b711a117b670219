"""Curves beside one another have colours that people with any colour vision tell apart, and that stand out from the ground."""

import itertools

import numpy as np
import pytest
from rich.color import Color, ColorSystem

from revconsole.console.themes import COLOURS, SLOTS
from revconsole.lab.curves.colours import ON_DARK, ON_LIGHT, legible_on, luminance, palette

VISION = {
    "usual": np.eye(3),
    "protanopia": np.array([
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998],
    ]),
    "deuteranopia": np.array([
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881],
    ]),
    "tritanopia": np.array([
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900],
    ]),
}  # fmt: skip
"""What each kind of eye makes of linear red, green and blue (Machado, Oliveira & Fernandes 2009, severity 1)."""
TO_XYZ = np.array([
    [0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041],
])  # fmt: skip
WHITE = np.array([0.95047, 1.0, 1.08883])
APART = 9.5
"""Least CIEDE2000 difference of two curves; 1 is just seen where patches touch, and curves are thin."""
LEGIBLE = 4.5
"""Least contrast of text by WCAG 2.1: the letters and legends of curves have their colour."""


def test_black_or_white_can_be_read_on_any_colour():
    grounds = itertools.product((0, 85, 119, 128, 170, 255), repeat=3)
    for ground in grounds:
        light, own = (luminance(c) + 0.05 for c in (legible_on(ground), ground))
        assert max(light, own) / min(light, own) >= 4.5


def linear(colour):
    """Light of a screen's colour, each channel from 0 to 1."""
    share = np.array(colour) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(light):
    """CIELAB of linear light."""
    ratio = TO_XYZ @ np.clip(light, 0, 1) / WHITE
    x, y, z = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def difference(first, second):
    """CIEDE2000 of two colours in CIELAB (Sharma, Wu & Dalal 2005)."""
    (l1, a1, b1), (l2, a2, b2) = first, second
    chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(chroma**7 / (chroma**7 + 25.0**7)))
    c1, c2 = np.hypot(a1 * (1 + g), b1), np.hypot(a2 * (1 + g), b2)
    h1, h2 = (np.degrees(np.arctan2(b, a * (1 + g))) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180
    hue = (h1 + turn / 2) % 360
    lightness, c = (l1 + l2) / 2, (c1 + c2) / 2
    t = 1 - 0.17 * np.cos(np.radians(hue - 30)) + 0.24 * np.cos(np.radians(2 * hue))
    t += 0.32 * np.cos(np.radians(3 * hue + 6)) - 0.20 * np.cos(np.radians(4 * hue - 63))
    s_l = 1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2)
    of_l, of_c = (l2 - l1) / s_l, (c2 - c1) / (1 + 0.045 * c)
    of_h = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * c * t)
    around_blue = np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2)))
    rotation = -2 * np.sqrt(c**7 / (c**7 + 25.0**7)) * np.sin(around_blue)
    return float(np.sqrt(of_l**2 + of_c**2 + of_h**2 + rotation * of_c * of_h))


def contrast(first, second):
    """The ratio of WCAG 2.1."""
    light = [linear(colour) @ np.array([0.2126, 0.7152, 0.0722]) for colour in (first, second)]
    return (max(light) + 0.05) / (min(light) + 0.05)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 2.5, 0.0), (61.0, -5.0, 29.0), 22.8977),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_difference_is_that_of_the_published_pairs(first, second, expected):
    assert difference(first, second) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("palette", [ON_DARK, ON_LIGHT], ids=["dark", "light"])
def test_every_two_curves_differ_to_any_eye(palette, vision):
    seen = [lab(VISION[vision] @ linear(colour)) for colour in palette]
    closest = min(difference(*pair) for pair in itertools.combinations(seen, 2))
    assert closest > APART


@pytest.mark.parametrize("theme", COLOURS)
def test_a_curve_stands_out_from_the_ground_of_each_theme(theme):
    slots = dict(zip(SLOTS, COLOURS[theme], strict=True))
    ground = tuple(bytes.fromhex(slots["surface"].removeprefix("#")))
    for colour in ON_LIGHT if theme == "light" else ON_DARK:
        assert contrast(colour, ground) > LEGIBLE


@pytest.mark.parametrize("dark", [True, False])
def test_no_two_curves_become_one_colour_in_a_terminal_of_sixteen(dark):
    """Each is one of the sixteen itself, as Rich, which writes them, finds the nearest."""
    nearest = [Color.from_rgb(*c).downgrade(ColorSystem.STANDARD).number for c in palette(dark=dark, few=True)]  # fmt: skip
    assert len(set(nearest)) == len(nearest) == len(ON_DARK)
    assert (0 if dark else 15) not in nearest, "nor that of the ground"
