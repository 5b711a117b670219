"""Key times: `python tests/conformance/key_times.py [KEYS] [--idle]` measures how long a key of the launch form takes to the
screen, in a real pseudo-terminal, while a run trains in a thread of the console.

A key counts as on the screen when the screen shows what it changes: the text with the digit, or what is said of the
setting moved to. Beside it: how long the panel takes to show the memory of the batch just typed.
"""

import os
import random
import sys
import tempfile
from pathlib import Path
from statistics import median

from pseudo_terminal import PseudoTerminal

from revconsole.records.runs.store import RunStore

CONSOLE = """
import sys
from pathlib import Path
from revconsole.lab.lab import Lab
from revconsole.console.session import run_console
lab = Lab(Path(sys.argv[1]))
if sys.argv[2] == "busy":
    settings = {"scheme.name": "residual", "train.epochs": 100000, "train.threads": 1}
    lab.launch(lab.plan("demo", settings))
sys.exit(run_console(lab))
"""
DOWN, UP, FIND = b"\x1b[B", b"\x1b[A", b"\x06"


class Console(PseudoTerminal):
    """The console in a pseudo-terminal."""

    def __init__(self, folder: Path, *, busy: bool) -> None:
        state = "busy" if busy else "idle"
        super().__init__([sys.executable, "-c", CONSOLE, str(folder / "runs"), state], folder)

    def answers(self, word: str, beside: str = "", press: bytes = b"") -> float:
        """Send a key, and return the seconds until a line of the screen has the word, and another one beside it."""
        if press:
            self.press(press)
        return self.until_shown(word, beside)


def measured(terminal: Console, keys: int) -> tuple[list[float], list[float]]:
    """The seconds of each key, and of the panel behind each batch."""
    dice, times, panel = random.Random(0), [], []
    while len(times) < keys:
        digits, typed = str(dice.randint(101, 999)), ""
        for digit in digits:
            typed += digit
            times.append(terminal.answers(typed, "batch", press=digit.encode()))
        panel.append(terminal.answers(f"step of {int(typed):,}"))
        times.append(terminal.answers("found", press=UP))
        times.append(terminal.answers("Images per optimiser step", press=DOWN))
    return times[:keys], panel


def steps(folder: Path) -> int:
    """Steps that the runs have trained, as far as they are recorded."""
    return sum(run.step or 0 for run in RunStore(folder / "runs").list())


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")


def main(arguments: list[str]) -> None:
    """Measure and print."""
    busy = "--idle" not in arguments
    keys = int(next((word for word in arguments if word.isdigit()), "200"))
    with tempfile.TemporaryDirectory() as folder:
        terminal = Console(Path(folder), busy=busy)
        try:
            terminal.answers("running" if busy else "No runs yet")
            terminal.written(5.0)
            terminal.answers("launches", press=b"n")
            terminal.answers("a setting by name", press=FIND)
            terminal.written(2.0)
            terminal.answers("train.batch", press=b"train.batch")
            terminal.written(1.0)
            terminal.answers("Images per optimiser step", press=DOWN)
            terminal.written(20.0)  # until the model is foreseen
            before = steps(Path(folder))
            times, panel = measured(terminal, keys)
            trained = steps(Path(folder)) - before
        finally:
            terminal.close()
    where = f"while a run trains {trained} steps in a thread" if busy else "while nothing trains"
    say(f"{len(times)} keys {where}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for name, each in (("key to screen", times), ("panel behind a key", panel)):
        ordered = sorted(1000 * seconds for seconds in each)
        p95 = ordered[int(0.95 * (len(ordered) - 1))]
        say(
            f"{name}: median {median(ordered):.0f} ms, 95 % {p95:.0f} ms, worst {ordered[-1]:.0f} ms"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
