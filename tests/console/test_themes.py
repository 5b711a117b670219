"""Text can be read in every theme, and another theme is that of everything on the screen at once."""

import pytest
from rich.color import Color as RichColor
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from revconsole.console.grey import Grey
from revconsole.console.themes import THEMES, VIVID, themes
from revconsole.console.widgets import plot_area
from revconsole.lab.curves.cells import Ink
from revconsole.lab.curves.colours import ON_DARK, ON_LIGHT, as_style
from revconsole.records.logs.events import Failed

LEAST = 4.5
"""Least contrast of text by WCAG 2.1, level AA."""


def luminance(colour):
    parts = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (p / 255 for p in colour)]  # fmt: skip
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def contrast(first, second):
    lighter, darker = sorted(map(luminance, (first, second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def grey(colour):
    (segment,) = Grey().apply([Segment("x", Style(color=as_style(colour)))], Color(0, 0, 0))
    return tuple(segment.style.color.triplet)


def test_a_grey_is_as_light_as_its_colour():
    for colour in (*ON_DARK, *ON_LIGHT):
        assert len({*grey(colour)}) == 1
        assert (
            abs(luminance(grey(colour)) - luminance(colour)) < 0.004
        )  # half of a step of 256 at the lightest


def painted(stage):
    """The text of each segment with its colours: of the text and of the ground."""
    for strip in stage.app.screen._compositor.render_strips():
        for text, style, _ in strip:
            if style and style.color and style.bgcolor and any(map(str.isalnum, text)):
                colours = tuple(style.color.triplet), tuple(style.bgcolor.triplet)
                yield text, *(reversed(colours) if style.reverse else colours)


LEAST_PART = 3.0
"""Least contrast of what is no text and has to be seen."""
SIZES = ((160, 45), (100, 30), (160, 45), (100, 30))
"""Of the terminal in each theme: panes have frames in the large one, and in the small one only headings."""


@pytest.mark.parametrize("theme", THEMES)
def test_a_selection_can_be_read_and_a_scrollbar_be_seen(theme):
    colours = theme.to_color_system().generate()
    ground = Color.parse(colours["surface"])
    selected = ground + Color.parse(colours["input-selection-background"])
    assert contrast(Color.parse(colours["foreground"]).rgb, selected.rgb) >= LEAST
    assert contrast(Color.parse(colours["scrollbar"]).rgb, ground.rgb) >= LEAST_PART


@pytest.mark.parametrize("theme", themes(VIVID)[:3])
def test_states_stay_apart_in_16_colours(theme):
    colours = theme.to_color_system().generate()
    meanings = ("foreground", "text-success", "text-warning", "text-error", "text-primary")
    shown = [RichColor.parse(colours[m]).downgrade(ColorSystem.STANDARD).number for m in meanings]
    assert len(set(shown)) == len(meanings)


@pytest.mark.parametrize("ground", [*ON_DARK, *ON_LIGHT])
def test_the_letter_of_a_part_that_stands_back_can_be_read(ground):
    for theme in THEMES:
        colours = theme.to_color_system().generate()
        ink = Ink(ground, faint=True, filled=True)
        style = plot_area._style(ink, Color.parse(colours["surface"]), colours["foreground"])
        assert contrast(style.color.triplet, style.bgcolor.triplet) >= LEAST


@pytest.mark.parametrize(
    ("theme", "size"), list(zip([theme.name for theme in THEMES], SIZES, strict=True))
)
async def test_text_is_legible_in_each_theme_after_a_change_to_it(opened, recorder, theme, size):
    recorder.finished("one")
    recorder.finished("two", scheme="bdia")
    recorder.begin("three", scheme="momentum")
    async with opened(*size) as stage:
        await stage.shows("one", "two")
        stage.app.theme = THEMES[3].name if theme == THEMES[0].name else THEMES[0].name
        steps = (
            ("2", "question"),
            ("enter", "to do"),
            ("o", "settings:"),
            ("escape", "to do"),
            ("3", "gamma"),
            (None, ""),
        )
        for key, word in (("enter", "loss"), ("left", "step"), ("4", "memory"), *steps):
            await stage.pilot.pause(0.1)
            stage.app.theme = theme
            await stage.pilot.pause(0.1)
            faint = [
                (round(contrast(colour, ground), 2), text)
                for text, colour, ground in painted(stage)
                if contrast(colour, ground) < LEAST
            ]
            assert faint == []
            if key:
                await stage.press(key)
                await stage.shows(word)


@pytest.mark.parametrize("theme", ["ansi-dark", "nord"])
async def test_a_theme_of_others_lacks_nothing_that_the_screens_ask_for(opened, recorder, theme):
    recorder.finished("one")
    _, attempt = recorder.begin("two")
    recorder.epoch(attempt, 1)
    attempt.emit(Failed(reason="it broke"))
    attempt.close()
    async with opened(120, 36) as stage:
        stage.app.theme = theme
        await stage.shows("one", "two", "1 Runs", "failed")
        await stage.press("enter")
        await stage.shows("loss", "facts", "it broke")
