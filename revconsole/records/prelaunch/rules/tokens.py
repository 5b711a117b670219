"""Tokens: attention has one token, or thousands.

Speaks when the patch is the image, because one token has nothing to attend to, and above 1,024 tokens of an attention
that forms all pairs, whose cost grows with their square. Usual are 49 to 784: patches of 32, 16 and 8 at 224 pixels
(Dosovitskiy et al. 2020, arXiv 2010.11929; Caron et al. 2021, arXiv 2104.14294).
"""

from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule

MANY = 1024
FEWER = 784
"""Most tokens of a suggestion."""
SOME = 16
"""Tokens of a suggestion for an image that is one token."""


def look(run: PlannedRun) -> str:
    """The sentence about one token or thousands."""
    tokens, patch, size = run.network.tokens, run.network.patch, run.plan.image_size
    if tokens is None or not (tokens == 1 or (tokens > MANY and run.network.quadratic)):
        return ""
    usual = "usual are 49 to 784 (ViT at 224 pixels: patches of 32, 16, 8)"
    if tokens == 1:
        smaller = max(
            (p for p in range(1, size) if size % p == 0 and (size // p) ** 2 >= SOME), default=1
        )
        remedy = (
            f"model.patch={smaller} makes {(size // smaller) ** 2}"
            if patch
            else "a larger data.image_size"
        )
        return f"the whole image is one token, so attention has nothing to attend to; {usual}: {remedy}"
    larger = min(
        (p for p in range(1, size + 1) if size % p == 0 and (size // p) ** 2 <= FEWER), default=size
    )
    remedy = (
        f"model.patch={larger} makes {(size // larger) ** 2}"
        if patch
        else "a smaller data.image_size"
    )
    return f"{tokens:,} tokens, of which attention forms {tokens**2 / 1e6:,.1f} million pairs a head and image; {usual}: {remedy}"


RULE = LaunchRule(name="tokens", level="warning", look=look)
