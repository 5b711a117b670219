"""Pictures as characters: two pixels per character, one above the other; by density without colour."""

from collections.abc import Mapping

from revconsole.records.findings.samples import Colour, Picture, Samples

RAMP = " .:-=+*#%@"
UPPER = "▀"
"""The upper half block: its foreground is the upper pixel, its background the lower."""
WEIGHTS = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness (ITU-R BT.601)."""
MOST_CLASSES = 20
"""Most classes that are listed one by one; of more, only the smallest and largest are named."""
Pixels = tuple[tuple[Colour, ...], ...]


def shaded(pixels: Pixels) -> list[str]:
    """Lines with one character per two pixels, denser for brighter pixels."""
    return [
        "".join(
            RAMP[round((_brightness(a) + _brightness(b)) / 510 * (len(RAMP) - 1))]
            for a, b in zip(upper, lower, strict=True)
        )
        for upper, lower in paired(pixels)
    ]


def paired(pixels: Pixels) -> list[tuple[tuple[Colour, ...], tuple[Colour, ...]]]:
    """The upper and lower pixels of each line of characters; an odd last row is paired with black."""
    rows = list(pixels)
    if len(rows) % 2:
        rows.append(tuple((0, 0, 0) for _ in rows[0]))
    return list(zip(rows[::2], rows[1::2], strict=True))


def enlarged(picture: Picture, side: int) -> Pixels:
    """The rows with each pixel as a square, as large as `side` rows allow."""
    factor = max(1, side // max(1, len(picture.rows)))
    wide = [tuple(pixel for pixel in row for _ in range(factor)) for row in picture.rows]
    return tuple(row for row in wide for _ in range(factor))


def described(samples: Samples) -> list[tuple[str, str]]:
    """The facts of the samples as pairs of name and value."""
    channels, height, width = samples.shape
    return [
        ("dataset", samples.dataset),
        (
            "image",
            f"{height}×{width} pixels, {channels} {'channel' if channels == 1 else 'channels'}",
        ),
        *((f"{part} images", balance(counts)) for part, counts in samples.counts.items()),
        ("mean per channel", ", ".join(f"{value:.4f}" for value in samples.mean)),
        ("deviation per channel", ", ".join(f"{value:.4f}" for value in samples.std)),
        ("fingerprint", samples.fingerprint[:12]),
    ]


def balance(counts: Mapping[str, int]) -> str:
    """A sentence on the number of images per class; of many classes, the smallest and largest."""
    total = sum(counts.values())
    if len(set(counts.values())) == 1:
        return f"{total:,}, {next(iter(counts.values())):,} of each of {len(counts)} classes"
    if len(counts) <= MOST_CLASSES:
        return f"{total:,}: " + ", ".join(f"{name} {n:,}" for name, n in counts.items())
    few, many = min(counts, key=lambda n: counts[n]), max(counts, key=lambda n: counts[n])
    return f"{total:,} of {len(counts)} classes: {few} {counts[few]:,} to {many} {counts[many]:,}"


def in_brief(samples: Samples) -> list[str]:
    """The facts of the data in two lines of 80 columns."""
    channels, height, width = samples.shape
    parts = ", ".join(f"{sum(each.values()):,} {part}" for part, each in samples.counts.items())
    counts = samples.counts["training"]
    low, high = min(counts.values()), max(counts.values())
    each = f"{low:,} each" if low == high else f"{low:,} to {high:,} each"
    spread = ", ".join(f"{m:.2f} ± {s:.2f}" for m, s in zip(samples.mean, samples.std, strict=True))
    return [
        f"{height}×{width}×{channels} · {parts} · {samples.fingerprint[:12]}",
        f"{len(counts)} classes, {each} · mean {spread}",
    ]


def _brightness(colour: Colour) -> float:
    return sum(weight * level for weight, level in zip(WEIGHTS, colour, strict=True))
