"""SteeringScreen: base of the screens whose runs can be stopped, paused and resumed."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from textual.screen import Screen

from revconsole.console import steer
from revconsole.console.reader import Reader
from revconsole.console.screens.live import LiveScreen
from revconsole.records.runs.run import Summary

OF_A_RUN = frozenset({
    "stop", "pause", "resume", "hand_over", "samples", "mark", "compare", "filter", "baseline", "sooner", "later", "begin_now",
})  # fmt: skip
"""Actions that need a run."""
CHANGES = frozenset(
    {"stop", "pause", "resume", "hand_over", "launch", "sooner", "later", "begin_now"}
)
"""Actions that start or change a run."""
READONLY = "this console is read-only"


def only_read(run: Summary) -> str:
    """Why a run that lies beside the store is not changed."""
    return f"{run.name} lies in {run.beside}: it is only read from here"


class SteeringScreen(LiveScreen):
    """An abstract screen with a current run: its only run, or the one under the cursor."""

    @abstractmethod
    def at_hand(self) -> Summary | None:
        """The run that the keys act on; None without one."""

    def useless(self) -> frozenset[str]:
        """The actions that have no effect in the state of the current run."""
        run = self.at_hand()
        if run is None:
            return OF_A_RUN
        if self.reader.lab.readonly:
            return CHANGES
        if run.beside:
            return CHANGES - {"launch"}
        actions = {"stop", "pause"} if run.ended else {"resume"}
        actions |= {"stop"} if run.state == "stopping" else set()
        actions |= {"pause"} if run.state in {"queued", "stopping", "stalled"} else set()
        actions |= {"resume"} if run.state in {"finished", "damaged"} else set()
        actions |= set() if run.state == "queued" else {"sooner", "later", "begin_now"}
        actions |= set() if run.plan_known or run.program else {"samples"}
        actions |= {"resume", "hand_over"} if run.program else set()
        if run.state == "stalled" and not run.program:  # its host may be gone
            actions -= {"resume"}
        return frozenset(actions)

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

    def action_sooner(self) -> None:
        """Move the waiting run up in the queue of its device."""
        self._steer(steer.sooner)

    def action_later(self) -> None:
        """Move the waiting run down in the queue of its device."""
        self._steer(steer.later)

    def action_begin_now(self) -> None:
        """Let the waiting run begin beside what trains on its device."""
        self._steer(steer.begin_now)

    def action_launch(self) -> None:
        """Open the launch form with this run's settings."""
        self._steer(lambda *_: self.launch_like(self.at_hand()), changes=False)

    def launch_like(self, run: Summary | None) -> None:
        """Open the launch form with a run's settings, or with a profile."""
        if self.reader.lab.readonly:
            self.refuse(READONLY)
            return
        from revconsole.console.screens.launch import LaunchScreen  # only when asked for

        self.app.push_screen(
            LaunchScreen(self.reader, run if run is not None and run.plan_known else None)
        )

    def _steer(
        self, verb: Callable[[Screen[Any], Reader, Summary], None], *, changes: bool = True
    ) -> None:
        run = self.at_hand()
        if self.reader.lab.readonly:
            self.refuse(READONLY)
        elif run is None:
            read = self.reader.latest.complete
            self.refuse(
                "there is no run here"
                if read
                else "the run is still being read: try again in a moment"
            )
        elif changes and run.beside:
            self.refuse(only_read(run))
        else:
            verb(self, self.reader, run)
