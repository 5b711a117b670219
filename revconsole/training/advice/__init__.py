"""Advice while a run trains: rules that say what goes wrong, based on the events the run records.

`Watch` passes each event on to `WatchedSoFar`, which keeps what the rules need, and asks every rule of `rules/` whenever
the meter has reported, at the end of an epoch and at the end of the run. Rules use only recorded numbers, so reading a
log again gives the same advice. To add a rule, write its file; see `rules`.
"""

from revconsole.training.advice.seen import WatchedRun, WatchedSoFar
from revconsole.training.advice.spelling import spelled
from revconsole.training.advice.subject import subject_of
from revconsole.training.advice.watch import Watch

__all__ = ["Watch", "WatchedRun", "WatchedSoFar", "spelled", "subject_of"]
