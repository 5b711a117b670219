"""Viewport: which part of the horizontal axis is shown: all of it, its recent part, or a part that stands still."""

from dataclasses import dataclass, replace

RECENT = 0.2
"""Share of the axis that is recent."""
LEAST = 1e-4
"""Smallest share of the axis that can be shown."""


@dataclass(frozen=True, slots=True)
class Viewport:
    """A part of an axis that may grow at its right end. span: its width; None: all. right: its end; None: the newest."""

    span: float | None = None
    right: float | None = None

    @property
    def whole(self) -> bool:
        """Whether everything is shown."""
        return self.span is None

    @property
    def following(self) -> bool:
        """Whether a part is shown that moves with the newest data."""
        return self.span is not None and self.right is None

    def window(self, low: float, high: float) -> tuple[float, float]:
        """The left and right end of what is shown of an axis from `low` to `high`."""
        if self.span is None:
            return low, high
        right = high if self.right is None else min(self.right, high)
        left = max(low, right - self.span)
        return left, max(right, left + min(self.span, high - low))

    def zoomed(
        self, factor: float, low: float, high: float, around: float | None = None
    ) -> "Viewport":
        """The part that is `factor` times as wide. around: the place that stays where it is; the newest data, if the view
        follows them, or the middle, by default.
        """
        left, right = self.window(low, high)
        span = max((right - left) * factor, (high - low) * LEAST)
        if span >= high - low:
            return Viewport()
        if around is None:
            if self.right is None:
                return Viewport(span)
            around = (left + right) / 2
        share = (around - left) / (right - left) if right > left else 0.5
        return _within(Viewport(span, around + (1 - share) * span), low, high)

    def panned(self, share: float, low: float, high: float) -> "Viewport":
        """Moved by a share of its width; at the right end it follows the newest data again."""
        if self.span is None:
            return self
        _, right = self.window(low, high)
        return _within(replace(self, right=right + share * self.span), low, high)

    def holding(self, x: float, low: float, high: float) -> "Viewport":
        """Moved just as far as needed to show `x`."""
        left, right = self.window(low, high)
        if self.span is None or left <= x <= right:
            return self
        return _within(replace(self, right=x if x > right else x + self.span), low, high)

    def toggled(self, low: float, high: float) -> "Viewport":
        """Everything, if a part is shown; otherwise the recent part, which follows the newest data."""
        return Viewport((high - low) * RECENT) if self.whole else Viewport()


def _within(view: Viewport, low: float, high: float) -> Viewport:
    """Not beyond the ends of the axis; at its right end the view follows."""
    if view.span is None or view.right is None:
        return view
    if view.right >= high:
        return Viewport(view.span)
    return Viewport(view.span, max(view.right, low + view.span))


WHOLE = Viewport()
"""Everything is shown."""
