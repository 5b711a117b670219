"""Signs: what a terminal without Unicode shows: one ASCII character for every sign, so that no column moves."""

from collections.abc import Mapping

WORDS = {
    "⏎": "enter",
    "␣": "space",
    "←→": "left/right",
    "→": "right",
    "←": "left",
    "↑": "up",
    "↓": "down",
}
"""Keys in the line of keys, where there is room for a word."""
SAME = dict(
    zip(
        "○◌●◔◍‖✓■✗◆◇◈▸▾▲▼⏎␣·…–—−×±→←↑↓Δσ²µ•✔✘❯▶◀≤≥≈°⇥⋮⋯┊▮░▒▓",
        ".:*%%=v#x*ox>v^v<_.~---x+><^vds2u*vx>><<>~o>:.:#.:=",
        strict=True,
    )
)
EDGES = {
    "-": "─━╌╍┄┅═▔",
    "|": "│┃╎╏┆┇║▏▎▍▌▋▊▉▕▐",
    "+": "┌┐└┘├┤┬┴┼╭╮╯╰╔╗╚╝╠╣╦╩╬┏┓┗┛",
    "_": "▁▂",
    "#": "▃▄▅▆▇█▀▖▗▘▙▚▛▜▝▞▟",
}
TABLE: Mapping[int, str] = str.maketrans(
    SAME | {sign: letter for letter, signs in EDGES.items() for sign in signs}
)


def plain(text: str) -> str:
    """The text with every sign as one ASCII character; letters of any language stay."""
    return text.translate(TABLE)


def key_words(shown: str) -> str:
    """The key as it is shown, with a word for a sign."""
    for sign, word in WORDS.items():
        shown = shown.replace(sign, word)
    return shown
