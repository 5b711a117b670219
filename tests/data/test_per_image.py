"""Operations on a whole batch: the same, to a grey level, as torchvision's on one image after the other."""

import pytest
import torch
from torchvision.transforms import v2

from revconsole.data._per_image import (
    blurred,
    randomly_augmented,
    recoloured,
    rescaled,
    rotated,
)

ONE_LEVEL = 1.01  # torchvision rounds grey levels, and we do not until the end
THREE_STEPS = 4.0  # it rounds after each of three steps, and a contrast above one multiplies that


@pytest.fixture(params=[1, 3], ids=["grey", "colour"])
def pixels(request):
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(12, request.param, 5, 5, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=16, mode="bicubic").clamp(0, 1)
    return (255 * smooth).to(torch.uint8)


def apart(ours, theirs):
    return (ours.float() - torch.stack(theirs).float()).abs().max()


@pytest.mark.parametrize("side", [8, 16, 24])
def test_each_image_is_cut_to_its_own_piece_and_brought_to_one_side(pixels, side):
    generator = torch.Generator().manual_seed(1)
    sides = torch.randint(1, 17, (2, 12), generator=generator).float()
    corners = (torch.rand(2, 12, generator=generator) * (17 - sides)).floor()
    theirs = [
        v2.functional.resized_crop(image, *map(int, box), [side, side], antialias=True)
        for image, box in zip(pixels, torch.cat([corners, sides]).T.tolist(), strict=True)
    ]
    assert apart(rescaled(pixels.float(), corners, sides, side=side), theirs) < ONE_LEVEL


def test_each_image_is_rotated_by_its_own_angle(pixels):
    degrees = torch.linspace(-170, 180, 12)
    theirs = [
        v2.functional.rotate(image, float(d), v2.InterpolationMode.BILINEAR)
        for image, d in zip(pixels, degrees, strict=True)
    ]
    assert apart(rotated(pixels.float(), degrees), theirs) < ONE_LEVEL


def test_each_image_is_recoloured_by_its_own_factors(pixels):
    factors = torch.rand(3, 12, generator=torch.Generator().manual_seed(1)) + 0.5
    theirs = []
    for image, (brightness, contrast, saturation) in zip(pixels, factors.T.tolist(), strict=True):
        bright = v2.functional.adjust_brightness(image, brightness)
        contrasted = v2.functional.adjust_contrast(bright, contrast)
        theirs.append(v2.functional.adjust_saturation(contrasted, saturation))
    assert apart(recoloured(pixels.float(), factors), theirs) < THREE_STEPS


def test_each_image_is_blurred_by_its_own_deviation(pixels):
    deviations = torch.linspace(0.2, 2.0, 12)
    theirs = [
        v2.functional.gaussian_blur(image, [9, 9], [float(d)] * 2)
        for image, d in zip(pixels, deviations, strict=True)
    ]
    assert apart(blurred(pixels.float(), deviations, reach=4), theirs) < ONE_LEVEL


def test_each_image_is_augmented_by_operations_of_torchvisions(pixels):
    """Every image must be what one of the operations makes of it, and all of them must be drawn."""
    whole, generator = v2.RandAugment(1, 9), torch.Generator().manual_seed(0)
    possible = []
    for name, (strengths, signed) in v2.RandAugment._AUGMENTATION_SPACE.items():
        listed = strengths(31, 16, 16)
        strength = 0.0 if listed is None else float(listed[9])
        for sign in (1, -1) if signed else (1,):
            made = [
                whole._apply_image_or_video_transform(
                    image,
                    name,
                    sign * strength,
                    interpolation=whole.interpolation,
                    fill=whole._fill,
                )
                for image in pixels
            ]
            possible.append(torch.stack(made))
    assert len(possible) == 23
    everything = torch.stack(possible).int()  # (operations, B, C, S, S)
    reached = set()
    for _ in range(30):
        made = randomly_augmented(pixels, 9, operations=1, draws=generator)
        off = (everything - made.int()).abs().amax((2, 3, 4))  # (operations, B)
        assert (off.amin(0) <= 1).all()
        reached |= set(off.argmin(0).tolist())
    assert len(reached) > 12


def test_images_that_are_augmented_are_left_as_they_were(pixels):
    before = pixels.clone()
    randomly_augmented(pixels, 9, operations=2, draws=torch.Generator().manual_seed(0))
    assert torch.equal(pixels, before)
