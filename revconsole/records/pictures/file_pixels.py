"""One image file as 8-bit RGB: upright, with its full range of grey levels, on white where it is transparent.

Values of more than 8 bits are scaled by the range that the file declares, and refused if it declares none; nothing is
clipped. Pillow converts colour spaces. Of an animation the first frame is used.

Shapes: H pixels of height and W of width.
"""

from io import BytesIO
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from revconsole.records.pictures.image_kinds import formats

BACKGROUND = (255, 255, 255)
"""Colour behind transparent pixels."""
BACKGROUND_WORD = "white"
BARS = (0, 0, 0)
"""Colour beside a picture in a letterbox, as that of the border of a random crop."""
COLOURS = {
    "1": "bilevel", "L": "grey", "LA": "grey", "La": "grey", "I": "grey", "F": "grey", "P": "palette", "PA": "palette",
    "RGBA": "RGB", "RGBa": "RGB", "RGBX": "RGB",
}  # fmt: skip
OF_LOW_DEPTH = {"L;2": 85, "L;4": 17}
"""Factor by which Pillow scales 2- and 4-bit grey levels, but not the transparent one."""
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
"""Numbers of TIFF tags."""
MIN_IS_WHITE, UNSIGNED = 0, 1
"""Values of the tags PHOTOMETRIC and SAMPLE_FORMAT."""

Pixels = NDArray[np.uint8]


class UnfitImage(ValueError):  # noqa: N818  the name says what the image is
    """An image that cannot be converted to 8-bit RGB without guessing; the message says why, with a remedy."""


class FileProperties(NamedTuple):
    """Properties of an image file besides its pixels."""

    kind: str
    """Format, bits and colours, e.g. "PNG 16-bit grey"."""
    width: int
    height: int
    transparent: bool
    """Whether any pixel is transparent, so that the background shows."""
    frames: bool
    """Whether the file has more frames than the one used."""


Fit = Literal["crop", "squash", "letterbox"]
"""How a picture of another shape is brought to a frame: cut to its middle, distorted, or whole between black bars."""


class PixelFrame(NamedTuple):
    """Size of the images in pixels, and how pictures are fitted to it."""

    height: int
    width: int
    fit: Fit = "crop"

    def __str__(self) -> str:
        """The frame in words; of squares that are cut only the side."""
        if self.height == self.width and self.fit == "crop":
            return f"{self.height} pixels"
        return f"{self.height}×{self.width} pixels, {self.fit}"

    @property
    def values(self) -> int:
        """Values of an image, three channels; bytes, as each is one."""
        return 3 * self.height * self.width

    @property
    def label(self) -> str:
        """The frame as a part of a file's name."""
        size = str(self.height) if self.height == self.width else f"{self.height}x{self.width}"
        return size if self.fit == "crop" else f"{size}-{self.fit}"

    def fitted(self, image: Image.Image) -> Image.Image:
        """The image at this size, by bicubic interpolation, antialiased when it shrinks."""
        size = (self.width, self.height)
        if self.fit == "squash":
            return image.resize(size, Image.Resampling.BICUBIC)
        if self.fit == "letterbox":
            return ImageOps.pad(image, size, Image.Resampling.BICUBIC, color=BARS)
        return ImageOps.fit(image, size, Image.Resampling.BICUBIC)


def decoded(content: bytes, frame: PixelFrame) -> tuple[Pixels, FileProperties]:
    """An image file fitted to a frame: uint8 (3, H, W).

    Raises UnfitImage, and whatever Pillow's decoders raise.
    """
    with Image.open(BytesIO(content), formats=formats()) as image:
        (width, height), bits = image.size, _bits(image)
        mode = "I" if image.mode.startswith("I;16") else image.mode
        kind = f"{image.format} {bits}-bit {COLOURS.get(mode, mode)}"
        frames = image.format != "PSD" and bool(getattr(image, "is_animated", False))
        rgb, transparent = _rgb(image, bits, max(frame.height, frame.width))
    file = FileProperties(kind, width, height, transparent, frames)
    return _planes(frame.fitted(rgb)), file


def whole(content: bytes) -> Pixels:
    """All pixels of a PNG image, uint8 (3, height, width). Raises as `decoded` does."""
    with Image.open(BytesIO(content), formats=("PNG",)) as image:
        return _planes(_rgb(image, _bits(image))[0])


def why_not(error: Exception) -> str:
    """Why an image cannot be read, in words."""
    if isinstance(error, Image.DecompressionBombError):
        return (
            f"it has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels, the most that are read; "
            "scale it down, or cut it into pieces"
        )
    if isinstance(error, UnidentifiedImageError):
        return "it is no image that Pillow can read"
    return " ".join(str(error).split())[:160] or type(error).__name__


def _planes(image: Image.Image) -> Pixels:
    return np.asarray(image, dtype=np.uint8).transpose(2, 0, 1)


def _rgb(image: Image.Image, bits: int, side: int | None = None) -> tuple[Image.Image, bool]:
    """(upright RGB image on the background, whether that shows). side: pixels needed, for a faster draft."""
    _refuse_unknown_range(image, bits)
    key, negative = _transparent_colour(image, bits), _tag(image, PHOTOMETRIC) == MIN_IS_WHITE
    if side is not None:
        image.draft("RGB", (side, side))  # decodes a large JPEG at reduced size
    upright = ImageOps.exif_transpose(image)
    levels = _first_bits(upright, bits, negative=negative) if bits > 8 else upright
    rgb, alpha = _parted(levels, _shown(upright, key))
    if alpha is None:
        return rgb, False
    return Image.composite(rgb, Image.new("RGB", rgb.size, BACKGROUND), alpha), True


def _refuse_unknown_range(image: Image.Image, bits: int) -> None:
    """Raise UnfitImage if the value of white is unknown: floating point, 32 bits, or signed."""
    half_floats = "BC6H" in str(getattr(image, "pixel_format", ""))
    signed = _first(_tag(image, SAMPLE_FORMAT), UNSIGNED) != UNSIGNED or (
        image.format == "FITS" and bits > 8
    )
    if bits <= 16 and not half_floats and not signed:
        return
    kind = (
        "floating point numbers"
        if half_floats or image.mode == "F"
        else "numbers with a sign or of 32 bits"
    )
    raise UnfitImage(
        f"its pixels are {kind}, and it does not say which value is white; save it with 8 or 16 bits, without a sign"
    )


def _bits(image: Image.Image) -> int:
    """Bits per sample in the file."""
    if image.mode == "1":
        return 1
    if image.mode == "I" and image.format in {"PNG", "PPM"}:
        return 16
    if image.mode in {"I", "F"}:
        return 32
    if image.mode.startswith("I;16"):
        return _first(_tag(image, BITS_PER_SAMPLE), 16)
    raw, brightest = _raw_mode(image)
    return 16 if ";16" in raw or brightest > 255 else 8


def _tag(image: Image.Image, number: int) -> object:
    return getattr(image, "tag_v2", {}).get(number)


def _first(value: object, otherwise: int) -> int:
    """The first number of a tag, which belongs to the first channel."""
    numbers = value if isinstance(value, tuple) else (value,)
    return numbers[0] if numbers and isinstance(numbers[0], int) else otherwise


def _raw_mode(image: Image.Image) -> tuple[str, int]:
    """(Pillow's name for the file's sample layout, for PPM the brightest value); known before pixels are loaded."""
    tiles = getattr(image, "tile", None) or ()
    args = tiles[0][3] if tiles else ""
    args = args if isinstance(args, tuple) else (args,)
    raw = args[0] if args and isinstance(args[0], str) else ""
    return raw, args[1] if image.format == "PPM" and len(args) > 1 else 255


def _transparent_colour(image: Image.Image, bits: int) -> object:
    """The grey level or colour that marks transparent pixels; None if there is none."""
    colour = image.info.get("transparency")
    if colour is None or image.mode == "P":
        return None
    if image.mode == "RGB" and bits > 8:
        raise UnfitImage(
            "one of its 16-bit colours marks transparent pixels, which cannot be read exactly; save it with an alpha channel"
        )
    return colour * OF_LOW_DEPTH.get(_raw_mode(image)[0], 1) if image.mode == "L" else colour


def _first_bits(image: Image.Image, bits: int, *, negative: bool) -> Image.Image:
    """The highest 8 bits of grey levels; Pillow converts colours itself."""
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    levels = (np.asarray(image).astype(np.uint32) >> (bits - 8)).astype(np.uint8)
    return Image.fromarray(255 - levels if negative else levels)


def _shown(image: Image.Image, key: object) -> Image.Image | None:
    """Alpha channel of an image with one transparent colour."""
    if key is None:
        return None
    values = np.asarray(image.convert("L") if image.mode == "1" else image)
    same = values == np.array(key)
    return Image.fromarray(
        np.where(same.all(-1) if same.ndim == 3 else same, 0, 255).astype(np.uint8)
    )


def _parted(
    image: Image.Image, alpha: Image.Image | None
) -> tuple[Image.Image, Image.Image | None]:
    """(colours, alpha); alpha is None if every pixel is opaque."""
    image.info.pop("transparency", None) if image.mode != "P" else None
    if alpha is None and image.has_transparency_data:
        whole = (
            image.convert("LA") if image.mode == "La" else image
        )  # Pillow would convert La to grey
        image = whole.convert("RGBA")
        alpha = image.getchannel("A")
    opaque = alpha is None or alpha.getextrema()[0] == 255
    return image.convert("RGB"), None if opaque else alpha
