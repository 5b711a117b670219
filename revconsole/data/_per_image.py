"""Operations on a whole batch with a parameter for each image, as torchvision has them for one image at a time.

Called once per image, torchvision's transforms take longer than a training step of a small model. What they compute
is the same to a grey level (to four where brightness, contrast and saturation follow one another, as torchvision
rounds after each), which the tests compare.

Shapes: B images, C channels, S pixels of height and width; images are float32 in grey levels, 0 to 255.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from revconsole.data._placing import moved

GREY = (0.2989, 0.587, 0.114)
"""Of red, green and blue in brightness, as torchvision and Pillow take it (ITU-R BT.601)."""
WHITE = 255


def rescaled(images: Tensor, corners: Tensor, sides: Tensor, *, side: int) -> Tensor:
    """A piece of each image brought to `side` pixels each way, (B, C, side, side), antialiased where it shrinks.

    corners: upper left ones, rows and columns (2, B). sides: heights and widths (2, B), all within the image.
    """
    down, across = (
        _triangles(corner, extent, images.shape[-1], side)
        for corner, extent in zip(corners, sides, strict=True)
    )
    return down.unsqueeze(1) @ images @ across.mT.unsqueeze(1)


def rotated(images: Tensor, degrees: Tensor) -> Tensor:
    """Each image turned anticlockwise about its centre by its own of `degrees` (B,); what comes from outside is black."""
    cosine, sine = degrees.deg2rad().cos(), degrees.deg2rad().sin()
    none = torch.zeros_like(sine)
    turn = torch.stack([cosine, -sine, none, sine, cosine, none], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(turn, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="zeros", align_corners=False)


def recoloured(images: Tensor, factors: Tensor) -> Tensor:
    """Brightness, contrast and saturation of each image times its own of `factors` (3, B), in this order."""
    brightness, contrast, saturation = factors.view(3, -1, 1, 1, 1)
    images = (images * brightness).clamp(0, WHITE)
    images = _blended(images, _grey(images).mean((1, 2, 3), keepdim=True), contrast)
    return _blended(images, _grey(images), saturation) if images.shape[1] == 3 else images


def blurred(images: Tensor, deviations: Tensor, *, reach: int) -> Tensor:
    """Each image under a Gaussian of its own of `deviations` (B,), in pixels, cut off at `reach`; mirrored at the edge."""
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
    """RandAugment (Cubuk et al. 2020) of uint8 images, which torchvision does to all that draw the same at once.

    `draws` is on the CPU; for each of the operations it draws which (B,), then their signs (B,).
    """
    from torchvision.transforms import v2  # deferred: slow to import, and most runs do without

    whole = v2.RandAugment(1, magnitude)
    space = whole._AUGMENTATION_SPACE  # noqa: SLF001  the operations have no public list
    pixels = pixels.clone()
    for _ in range(operations):
        chosen = torch.randint(0, len(space), (len(pixels),), generator=draws)
        signs = torch.randint(0, 2, (len(pixels),), generator=draws) * 2 - 1
        for number, (name, (strengths, signed)) in enumerate(space.items()):
            listed = strengths(whole.num_magnitude_bins, *pixels.shape[-2:])
            strength = 0.0 if listed is None else float(listed[magnitude])
            for sign in (1, -1) if signed else (0,):
                mine = (chosen == number) & ((signs == sign) if sign else torch.tensor(True))
                if mine.any():
                    # Found here: no wait for a GPU.
                    where = moved(mine.nonzero().squeeze(1), pixels.device)
                    pixels[where] = whole._apply_image_or_video_transform(  # noqa: SLF001  as above
                        pixels[where],
                        name,
                        strength * (sign or 1),
                        interpolation=whole.interpolation,
                        fill=whole._fill,  # noqa: SLF001  as above
                    )
    return pixels


def _triangles(corners: Tensor, sides: Tensor, size: int, side: int) -> Tensor:
    """Weights (B, side, S) of the pixels of a line in those of a piece of it at another scale, bilinear."""
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
