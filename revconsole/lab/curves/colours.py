"""Colours of curves that people with any colour vision can tell apart, and the place of each run among them."""

import zlib
from collections.abc import Iterable

Colour = tuple[int, int, int]
"""Red, green and blue, each 0 to 255."""
ON_DARK: tuple[Colour, ...] = (
    (96, 214, 244), (233, 159, 0), (31, 192, 128), (205, 104, 184), (222, 236, 96), (224, 92, 20),
    (120, 139, 255), (172, 172, 172),
)  # fmt: skip
"""The hues of Okabe & Ito (2008), moved until no two are alike to people who lack one kind of cone, nor near the ground."""
ON_LIGHT: tuple[Colour, ...] = (
    (7, 103, 235), (193, 79, 3), (0, 118, 83), (166, 78, 163), (103, 69, 20), (91, 0, 10), (41, 0, 137),
    (82, 84, 93),
)  # fmt: skip
"""The same hues for a light ground."""
FEW_ON_DARK: tuple[Colour, ...] = (
    (85, 255, 255), (255, 255, 85), (85, 255, 85), (255, 85, 255), (255, 255, 255), (255, 85, 85), (85, 85, 255),
    (170, 170, 170),
)  # fmt: skip
"""For terminals of 16 colours: each is one of those, so that no two curves become the same one."""
FEW_ON_LIGHT: tuple[Colour, ...] = (
    (0, 0, 170), (170, 0, 0), (0, 170, 0), (170, 0, 170), (170, 85, 0), (0, 170, 170), (0, 0, 0), (85, 85, 85),
)  # fmt: skip
"""The same for a light ground."""
Palette = tuple[Colour, ...]
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
SHARES = 0.2126, 0.7152, 0.0722
"""Of red, green and blue in the luminance."""
MIDDLE = 0.179
"""Luminance m on which black and white stand out alike: 1.05 / (m + 0.05) = (m + 0.05) / 0.05."""


def palette(*, dark: bool, few: bool = False) -> Palette:
    """The colours of curves on a dark or a light ground. few: whether the terminal has 16 colours."""
    if few:
        return FEW_ON_DARK if dark else FEW_ON_LIGHT
    return ON_DARK if dark else ON_LIGHT


def of_curve(place: int, colours: Palette = ON_DARK) -> Colour:
    """The colour of a curve by its place."""
    return colours[place % len(colours)]


def as_style(colour: Colour) -> str:
    """A colour as a rich style."""
    red, green, blue = colour
    return f"#{red:02x}{green:02x}{blue:02x}"


def mixed(colour: Colour, ground: Colour, share: float) -> Colour:
    """A colour with `share` of it over a background."""
    red, green, blue = (
        round(share * c + (1 - share) * g) for c, g in zip(colour, ground, strict=True)
    )
    return red, green, blue


def luminance(colour: Colour) -> float:
    """How light a colour is, from 0 to 1, by WCAG 2.1."""
    linear = (
        v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
        for v in (c / 255 for c in colour)
    )
    return sum(share * value for share, value in zip(SHARES, linear, strict=True))


def legible_on(ground: Colour) -> Colour:
    """Black or white, whichever stands out more: at least 4.5 to 1 on any ground."""
    return BLACK if luminance(ground) > MIDDLE else WHITE


class ColourPlaces:
    """The place of each run in the palette: by its id, from one start to the next, as long as no earlier run has it."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def of(self, run_ids: Iterable[str]) -> dict[str, int]:
        """The place of each of these runs; runs that are shown together differ, as far as the palette goes."""
        ids = list(run_ids)
        for run_id in sorted(set(ids) - self._places.keys()):
            self._places[run_id] = self._free(run_id, ids)
        self._part(ids)
        return {run_id: self._places[run_id] for run_id in ids}

    def _free(self, run_id: str, together: list[str]) -> int:
        """The place that the id asks for, or the next that no run beside it has."""
        first = zlib.crc32(run_id.encode()) % len(ON_DARK)
        taken = {self._places[other] for other in together if other in self._places}
        around = [(first + n) % len(ON_DARK) for n in range(len(ON_DARK))]
        return next((place for place in around if place not in taken), first)

    def _part(self, ids: list[str]) -> None:
        """Give the later of two runs with one place another, while places are left."""
        seen: set[int] = set()
        for run_id in ids:
            if self._places[run_id] in seen and len(seen) < len(ON_DARK):
                self._places[run_id] = self._free(run_id, [i for i in ids if i != run_id])
            seen.add(self._places[run_id])
