"""Per-image operations on a whole batch, as torchvision has them for one image at a time.

Called once per image, torchvision's transforms take longer than a training step of a small model. The results agree
to one grey level (to four for changes of colour, because torchvision rounds after each); tests compare them.

Shapes: B images, C channels, S pixels of height and width; images are float32 in grey levels, 0 to 255.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from revconsole.data._placing import moved

GREY = (0.2989, 0.587, 0.114)
"""Weights of red, green and blue in brightness, as in torchvision and Pillow (ITU-R BT.601)."""
WHITE = 255


def rescaled(images: Tensor, corners: Tensor, sides: Tensor, *, side: int) -> Tensor:
    """A piece of each image scaled to (B, C, side, side), antialiased when it shrinks.

    corners: upper left corners, rows and columns (2, B). sides: heights and widths (2, B), within the image.
    """
    down, across = (
        _triangles(corner, extent, images.shape[-1], side)
        for corner, extent in zip(corners, sides, strict=True)
    )
    return down.unsqueeze(1) @ images @ across.mT.unsqueeze(1)


def rotated(images: Tensor, degrees: Tensor) -> Tensor:
    """Each image rotated anticlockwise about its centre by `degrees` (B,); pixels from outside are black."""
    cosine, sine = degrees.deg2rad().cos(), degrees.deg2rad().sin()
    zero = torch.zeros_like(sine)
    rows, columns = images.shape[-2:]
    across, down = (
        sine * (rows / columns),
        sine * (columns / rows),
    )  # the grid has sides of 2 each way
    turn = torch.stack([cosine, -across, zero, down, cosine, zero], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(turn, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="zeros", align_corners=False)


def recoloured(images: Tensor, factors: Tensor) -> Tensor:
    """Brightness, contrast and saturation of each image multiplied by its `factors` (3, B), in this order."""
    brightness, contrast, saturation = factors.view(3, -1, 1, 1, 1)
    images = (images * brightness).clamp(0, WHITE)
    images = _blended(images, _grey(images).mean((1, 2, 3), keepdim=True), contrast)
    return _blended(images, _grey(images), saturation) if images.shape[1] == 3 else images


def blurred(images: Tensor, deviations: Tensor, *, reach: int) -> Tensor:
    """Each image blurred by a Gaussian of its own deviation (B,) in pixels, cut off at `reach`, mirrored at the edge."""
    count, channels = images.shape[:2]
    offsets = torch.arange(-reach, reach + 1, device=images.device)
    weights = torch.exp(-0.5 * (offsets / deviations.view(-1, 1)) ** 2)
    weights = (weights / weights.sum(1, keepdim=True)).repeat_interleave(channels, dim=0)
    padded = F.pad(images, [reach] * 4, mode="reflect").flatten(0, 1).unsqueeze(0)
    groups = count * channels
    down = F.conv2d(padded, weights.view(groups, 1, -1, 1), groups=groups)
    across = F.conv2d(down, weights.view(groups, 1, 1, -1), groups=groups)
    return across.view_as(images)


def randomly_augmented(
    pixels: Tensor, magnitude: int, *, operations: int, draws: torch.Generator
) -> Tensor:
    """RandAugment (Cubuk et al. 2020) of uint8 images, with torchvision applied to all images that draw the same.

    `draws` is on the CPU; for each operation it draws the kinds (B,), then their signs (B,).
    """
    from torchvision.transforms import v2  # deferred: slow to import, and most runs do without

    augmenter = v2.RandAugment(1, magnitude)
    space = augmenter._AUGMENTATION_SPACE  # noqa: SLF001  the operations have no public list
    pixels = pixels.clone()
    for _ in range(operations):
        chosen = torch.randint(0, len(space), (len(pixels),), generator=draws)
        signs = torch.randint(0, 2, (len(pixels),), generator=draws) * 2 - 1
        for number, (name, (strengths, signed)) in enumerate(space.items()):
            listed = strengths(augmenter.num_magnitude_bins, *pixels.shape[-2:])
            strength = 0.0 if listed is None else float(listed[magnitude])
            for sign in (1, -1) if signed else (0,):
                selected = (chosen == number) & ((signs == sign) if sign else torch.tensor(True))
                if selected.any():
                    # Indices come from the CPU, so no GPU synchronisation is needed.
                    where = moved(selected.nonzero().squeeze(1), pixels.device)
                    pixels[where] = augmenter._apply_image_or_video_transform(  # noqa: SLF001  as above
                        pixels[where],
                        name,
                        strength * (sign or 1),
                        interpolation=augmenter.interpolation,
                        fill=augmenter._fill,  # noqa: SLF001  as above
                    )
    return pixels


def _triangles(corners: Tensor, sides: Tensor, size: int, side: int) -> Tensor:
    """Weights (B, side, S) that interpolate a piece of a line to `side` pixels, bilinear and antialiased."""
    scale = (sides / side).view(-1, 1, 1)
    centres = scale * (torch.arange(side, device=sides.device) + 0.5).view(1, -1, 1)
    places = torch.arange(size, device=sides.device) - corners.view(-1, 1, 1)  # in the piece
    weights = (1 - (places + 0.5 - centres).abs() / scale.clamp_min(1)).clamp_min(0)
    weights = weights * ((places >= 0) & (places < sides.view(-1, 1, 1)))
    return weights / weights.sum(-1, keepdim=True)


def _grey(images: Tensor) -> Tensor:
    """Brightness (B, 1, S, S)."""
    if images.shape[1] == 1:
        return images
    weights = torch.tensor(GREY, device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)


def _blended(images: Tensor, other: Tensor, share: Tensor) -> Tensor:
    return (images * share + other * (1 - share)).clamp(0, WHITE)
