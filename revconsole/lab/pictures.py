"""Pictures as characters: two pixels to a character, one above the other, and their density where there is no colour."""

from collections.abc import Mapping

from revconsole.records.findings.samples import Colour, Picture, Samples

RAMP = " .:-=+*#%@"
UPPER = "▀"
"""Shows the upper pixel in its own colour, and the lower in that behind it."""
WEIGHTS = (0.299, 0.587, 0.114)
"""Of red, green and blue in brightness (ITU-R BT.601)."""
MOST_CLASSES = 20
"""Listed one by one; of more, the extremes are told."""
Pixels = tuple[tuple[Colour, ...], ...]


def shaded(pixels: Pixels) -> list[str]:
    """One character for two pixels, the denser the brighter."""
    return [
        "".join(
            RAMP[round((_brightness(a) + _brightness(b)) / 510 * (len(RAMP) - 1))]
            for a, b in zip(upper, lower, strict=True)
        )
        for upper, lower in paired(pixels)
    ]


def paired(pixels: Pixels) -> list[tuple[tuple[Colour, ...], tuple[Colour, ...]]]:
    """The upper and the lower pixels of each line; an odd last row stands over black."""
    rows = list(pixels)
    if len(rows) % 2:
        rows.append(tuple((0, 0, 0) for _ in rows[0]))
    return list(zip(rows[::2], rows[1::2], strict=True))


def enlarged(picture: Picture, side: int) -> Pixels:
    """Its pixels, each as a square of as many as `side` rows have room for."""
    factor = max(1, side // max(1, len(picture.rows)))
    wide = [tuple(pixel for pixel in row for _ in range(factor)) for row in picture.rows]
    return tuple(row for row in wide for _ in range(factor))


def described(found: Samples) -> list[tuple[str, str]]:
    """What is known of the images beside their looks, as pairs of name and value."""
    channels, height, width = found.shape
    return [
        ("dataset", found.dataset),
        (
            "image",
            f"{height}×{width} pixels, {channels} {'channel' if channels == 1 else 'channels'}",
        ),
        *((f"{part} images", balance(counts)) for part, counts in found.counts.items()),
        ("mean per channel", ", ".join(f"{value:.4f}" for value in found.mean)),
        ("deviation per channel", ", ".join(f"{value:.4f}" for value in found.std)),
        ("fingerprint", found.fingerprint[:12]),
    ]


def balance(counts: Mapping[str, int]) -> str:
    """How many images each class has; of many classes, the least and the most."""
    total = sum(counts.values())
    if len(set(counts.values())) == 1:
        return f"{total:,}, {next(iter(counts.values())):,} of each of {len(counts)} classes"
    if len(counts) <= MOST_CLASSES:
        return f"{total:,}: " + ", ".join(f"{name} {n:,}" for name, n in counts.items())
    few, many = min(counts, key=lambda n: counts[n]), max(counts, key=lambda n: counts[n])
    return f"{total:,} of {len(counts)} classes: {few} {counts[few]:,} to {many} {counts[many]:,}"


def in_brief(found: Samples) -> list[str]:
    """The facts of the data in two lines of 80 columns."""
    channels, height, width = found.shape
    parts = ", ".join(f"{sum(each.values()):,} {part}" for part, each in found.counts.items())
    counts = found.counts["training"]
    low, high = min(counts.values()), max(counts.values())
    each = f"{low:,} each" if low == high else f"{low:,} to {high:,} each"
    spread = ", ".join(f"{m:.2f} ± {s:.2f}" for m, s in zip(found.mean, found.std, strict=True))
    return [
        f"{height}×{width}×{channels} · {parts} · {found.fingerprint[:12]}",
        f"{len(counts)} classes, {each} · mean {spread}",
    ]


def _brightness(colour: Colour) -> float:
    return sum(weight * level for weight, level in zip(WEIGHTS, colour, strict=True))
