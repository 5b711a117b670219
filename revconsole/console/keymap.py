"""Keymap: which keys of a `[keymap]` table can be used, given the bindings of each screen."""

from collections.abc import Mapping

from textual.keys import KEY_NAME_REPLACEMENTS, Keys, _character_to_key, key_to_character

from revconsole.errors import nearest
from revconsole.records.printable import one_line

Bindings = Mapping[str, Mapping[str, str]]
"""The keys of each binding by its id, grouped by the screen on which they hold together."""

HELD = {"ctrl", "shift", "alt", "super", "hyper", "meta"}
"""Keys that are held down while another is pressed."""
NAMED = {
    *(key.value for key in Keys if not key.value.startswith("<")),
    *KEY_NAME_REPLACEMENTS.values(),
}
TAKEN = "ctrl+c"
"""The key that Textual keeps for itself."""


def usable(keymap: Mapping[str, str], screens: Bindings) -> tuple[dict[str, str], list[str]]:
    """The entries that can be used, and a sentence on each other one: an unknown id or key, or the key of another binding."""
    ids = {binding for bindings in screens.values() for binding in bindings}
    problems = [
        f"keymap.{binding}: there is no binding of that id{nearest(binding, ids)}"
        for binding in keymap
        if binding not in ids
    ]
    kept = {binding: keys for binding, keys in keymap.items() if binding in ids}
    for binding, keys in list(kept.items()):
        if wrong := next((key for key in split(keys) if not _exists(key)), ""):
            del kept[binding]
            near = nearest(wrong.replace("-", "+"), NAMED)
            problems.append(f"keymap.{binding}: there is no key {one_line(wrong, 40)!r}{near}")
        elif TAKEN in split(keys):
            del kept[binding]
            problems.append(
                f"keymap.{binding}: {TAKEN} copies what is selected; choose another key"
            )
    while clash := _clash(kept, screens):
        loser, key, other = clash
        del kept[loser]
        problems.append(f"keymap.{loser}: the key {key} is that of {other} on the same screen")
    return kept, problems


def _exists(key: str) -> bool:
    """Whether a terminal can send a key of this name."""
    *held, last = key.split("+")
    if not set(held) <= HELD:
        return False
    if len(last) == 1:
        return last.isprintable()
    return last in NAMED or key_to_character(last) is not None


def _clash(kept: Mapping[str, str], screens: Bindings) -> tuple[str, str, str] | None:
    """The first entry whose key another binding has: (its id, the key, the other's id)."""
    for bindings in screens.values():
        taken: dict[str, str] = {}
        for binding in sorted(bindings, key=kept.__contains__):  # unchanged ones first
            for key in split(kept.get(binding, bindings[binding])):
                other = taken.setdefault(key, binding)
                if other != binding and binding in kept:
                    return binding, key, other
    return None


def split(keys: str) -> list[str]:
    """The keys of a text such as "j,/", by Textual's names: j and slash."""
    parts = [key.strip() for key in keys.split(",") if key.strip()]
    return [_character_to_key(part) if len(part) == 1 else part for part in parts]
