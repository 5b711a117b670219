"""SteeringScreen: what screens share that show runs which can be stopped, paused and resumed."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from textual.screen import Screen

from revconsole.console import steer
from revconsole.console.reader import Reader
from revconsole.console.screens.live import LiveScreen
from revconsole.records.runs.run import Summary

OF_A_RUN = frozenset({
    "stop", "pause", "resume", "hand_over", "samples", "mark", "compare", "filter", "baseline",
})  # fmt: skip
"""Actions that need a run at hand."""


class SteeringScreen(LiveScreen):
    """An abstract screen with one run at hand: its only one, or the one under the cursor."""

    @abstractmethod
    def at_hand(self) -> Summary | None:
        """The run that the keys are about, if there is one."""

    def useless(self) -> frozenset[str]:
        """What would do nothing to the run at hand, in the state it is in."""
        run = self.at_hand()
        if run is None:
            return OF_A_RUN
        found = {"stop", "pause"} if run.ended else {"resume"}
        found |= {"stop"} if run.state == "stopping" else set()
        found |= {"pause"} if run.state in {"queued", "stopping", "stalled"} else set()
        found |= {"resume"} if run.state == "finished" else set()
        found -= {"resume"} if run.state == "stalled" else set()  # it may be of a host that is gone
        return frozenset(found)

    def action_stop(self) -> None:
        """Stop the run after its current step."""
        self._steer(steer.stop)

    def action_pause(self) -> None:
        """Pause the run, or let it continue."""
        self._steer(steer.pause)

    def action_resume(self) -> None:
        """Resume the run, if it ended early."""
        self._steer(steer.resume)

    def action_hand_over(self) -> None:
        """Move the run to a background process."""
        self._steer(steer.hand_over)

    def action_launch(self) -> None:
        """Open the launch form with this run's settings."""
        self._steer(lambda *_: self.launch_like(self.at_hand()))

    def launch_like(self, run: Summary | None) -> None:
        """Open the launch form with a run's settings, or with a profile."""
        from revconsole.console.screens.launch import LaunchScreen  # only when asked for

        self.app.push_screen(LaunchScreen(self.reader, run))

    def _steer(self, verb: Callable[[Screen[Any], Reader, Summary], None]) -> None:
        run = self.at_hand()
        if run is None:
            self.refuse("no run is here yet: try again in a moment")
        else:
            verb(self, self.reader, run)
