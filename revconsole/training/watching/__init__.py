"""Watching: rules that warn while a run trains, based on the events it records.

`Watch` passes each event to every rule. Rules use only recorded numbers, so reading a log again gives the same
warnings. To add a rule, write a file with a function and call it in `watch`.

    loss      divergence; over-fitting
    chance    a network that knows only the class frequencies
    rate      a learning rate that has decayed to nothing
    memory    a process whose memory keeps growing
"""

from revconsole.training.watching.seen import WatchedRun, WatchedSoFar
from revconsole.training.watching.subject import subject_of
from revconsole.training.watching.watch import Watch

__all__ = ["Watch", "WatchedRun", "WatchedSoFar", "subject_of"]
