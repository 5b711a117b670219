"""Colours of curves, told apart by all kinds of sight."""

Colour = tuple[int, int, int]
"""Red, green and blue, each 0 to 255."""
ON_DARK: tuple[Colour, ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 178, 130),
    (220, 120, 180),
    (240, 228, 66),
    (213, 94, 0),
    (120, 130, 255),
    (170, 170, 170),
)
"""Okabe & Ito's colours, the dark ones lightened."""
ON_LIGHT: tuple[Colour, ...] = (
    (0, 114, 178),
    (190, 80, 0),
    (0, 120, 85),
    (170, 60, 130),
    (130, 105, 0),
    (120, 40, 0),
    (60, 60, 200),
    (90, 90, 90),
)
"""Okabe & Ito's colours, the light ones darkened."""


def of_curve(place: int, *, dark: bool) -> Colour:
    """The colour of a curve by its place, on a dark or a light ground."""
    colours = ON_DARK if dark else ON_LIGHT
    return colours[place % len(colours)]


def as_style(colour: Colour) -> str:
    """A colour as a rich style."""
    red, green, blue = colour
    return f"#{red:02x}{green:02x}{blue:02x}"
