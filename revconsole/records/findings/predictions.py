"""Predictions: what a run's network says of some images, and how often it is right where that is known."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One image. truth: its class, None if it is not known. shares: probability of each class, in the order of `classes`."""

    image: str
    truth: str | None
    shares: tuple[float, ...]

    def ranked(self, classes: tuple[str, ...]) -> list[tuple[str, float]]:
        """Classes and probabilities, the most probable first."""
        return sorted(zip(classes, self.shares, strict=True), key=lambda each: -each[1])

    def called(self, classes: tuple[str, ...]) -> tuple[str, float]:
        """The predicted class and its probability."""
        return max(zip(classes, self.shares, strict=True), key=lambda each: each[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """Predictions of one network. source: what the images are. left_out: files without a readable image, and why."""

    source: str
    step: int
    classes: tuple[str, ...]
    images: tuple[Prediction, ...]
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def known(self) -> tuple[Prediction, ...]:
        """The images whose class is known."""
        return tuple(each for each in self.images if each.truth is not None)

    @property
    def wrong(self) -> tuple[Prediction, ...]:
        """Those that are called otherwise, the surest mistakes first."""
        mistaken = [each for each in self.known if each.called(self.classes)[0] != each.truth]
        return tuple(sorted(mistaken, key=lambda each: -each.called(self.classes)[1]))

    @property
    def accuracy(self) -> float | None:
        """Fraction of the images of a known class that are called so; None without any."""
        known = len(self.known)
        return (known - len(self.wrong)) / known if known else None

    @property
    def confusion(self) -> tuple[tuple[int, ...], ...] | None:
        """Of the images of a known class: how many of class i are called class j; None without any."""
        if not self.known:
            return None
        numbers = {name: number for number, name in enumerate(self.classes)}
        counts = [[0] * len(self.classes) for _ in self.classes]
        for each in self.known:
            counts[numbers[str(each.truth)]][numbers[each.called(self.classes)[0]]] += 1
        return tuple(map(tuple, counts))
