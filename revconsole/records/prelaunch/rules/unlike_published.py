"""Unlike published: the run differs from a profile that is held against a published figure.

Speaks when a profile that quotes a published figure, one of those shipped, is trained with other settings that decide the
result; where it is computed, and how often it is looked at, decide nothing.
"""

from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule
from revconsole.records.settings.words import shown

MOST_NAMED = 4


def look(run: PlannedRun) -> str:
    """The sentence about settings that are not the published ones."""
    origin = run.origin
    if origin is None or not origin.published or not origin.unlike:
        return ""
    differing = [
        f"{key} {_word(here)} (there {_word(there)})"
        for key, (here, there) in origin.unlike.items()
    ]
    more = f" and {len(differing) - MOST_NAMED} more" if len(differing) > MOST_NAMED else ""
    keys = " ".join(f"{key}={_word(there)}" for key, (_, there) in list(origin.unlike.items())[:1])
    return (
        f"differs from {origin.profile}, which is held against a published figure ({origin.published}), in "
        f"{', '.join(differing[:MOST_NAMED])}{more}: that figure is not to be expected; as in the profile: "
        f"{keys if len(differing) == 1 else f'revconsole train {origin.profile}'}"
    )


def _word(value: object) -> str:
    return (
        "none"
        if value is None
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
        if isinstance(value, str)
        else shown(value)
    )


RULE = LaunchRule(name="unlike published", level="note", look=look)
