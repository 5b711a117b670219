"""What is said of a run while it trains: rules over the very events that it records.

`Watch` feeds each event to every rule. A rule sees numbers alone, so a log that is read again tells it the same as the
training did. To add one: a file with a `look`, and its line in `watch.RULES`.

    loss      diverged; over-fitting
    chance    a network that knows the shares of the classes and nothing else
    rate      a learning rate that has decayed to nothing
    memory    a process that grows and grows
"""

from revconsole.training.watching.seen import WatchedRun, WatchedSoFar
from revconsole.training.watching.subject import subject_of
from revconsole.training.watching.watch import Watch

__all__ = ["Watch", "WatchedRun", "WatchedSoFar", "subject_of"]
