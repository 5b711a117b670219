"""Panes: text is laid out again only where its height changes."""

from rich.text import Text
from textual.app import App, ComposeResult

from revconsole.console.widgets.panes import Words


class Shown(App[None]):
    CSS = "Words { height: auto; }"

    def compose(self) -> ComposeResult:
        yield Words(Text("one line"))


async def test_words_ask_for_a_layout_only_if_they_take_another_height(monkeypatch):
    def asked(*regions, layout=False, **options):
        layouts.append(layout)
        return refresh(*regions, layout=layout, **options)

    app, layouts = Shown(), []
    async with app.run_test(size=(20, 5)) as pilot:
        words = app.query_one(Words)
        while words.content_size != (20, 1):
            await pilot.pause(0.02)
        refresh = words.refresh
        monkeypatch.setattr(words, "refresh", asked)
        for text in ("a", "b"):
            words.show_text(Text(text))
            await pilot.pause(0.05)
        assert layouts
        assert not any(layouts)
        for text, height in (("two lines, is it not so?", 2), ("one", 1)):
            words.show_text(Text(text))
            while words.size.height != height:
                await pilot.pause(0.02)
        assert any(layouts)


async def test_words_that_change_twice_before_one_layout_take_the_height_of_the_newest():
    app = Shown()
    async with app.run_test(size=(20, 5)) as pilot:
        words = app.query_one(Words)
        while words.size.height != 1:
            await pilot.pause(0.02)
        words.show_text(Text("of three\nlines, of\nwhich one goes"))
        app.screen._refresh_layout()  # as another widget may ask for, before these words have
        words.show_text(Text("of two\nlines"))
        while words.size.height != 2:
            await pilot.pause(0.02)
