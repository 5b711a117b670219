"""Exporting: a comparison that is on the screen becomes a file; asked by name, written in a thread."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from revconsole.console.screens.live import LiveScreen
from revconsole.console.steer import act
from revconsole.lab.compare import compare

QUESTION = "write to a new file: the table as .md .tex .csv .json, the curves as .svg .png .pdf"


def export_comparison(screen: LiveScreen, run_ids: Sequence[str]) -> None:
    """Ask for a file name and write the comparison of these runs, the first being the baseline; the message names the file."""
    from revconsole.console.screens.naming import Naming  # its field loads when first shown

    store = screen.reader.lab.store

    def named(name: str | None) -> None:
        if name is None:
            return
        path = Path(name)
        with suppress(RuntimeError):  # ~ with an unknown user stays as typed
            path = path.expanduser()
        path = path.absolute()

        def work() -> str:
            from revconsole.lab.exports import export  # the formats of reports: only to write one

            runs = {run_id: store.read(run_id) for run_id in run_ids}
            every = list(runs.values())
            export(compare([run.summary for run in every], runs=runs), every, path)
            return f"written: {path}"

        act(screen, screen.reader, "comparison", work)

    screen.app.push_screen(Naming(QUESTION), named)
