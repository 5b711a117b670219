"""Local and global blocks: who sees whom, and both stages wired by every scheme."""

import torch

from revconsole.models import uniformer
from revconsole.records.sections.model import Uniformer


def build(*, size=16, channels=1, classes=3, **settings):
    torch.manual_seed(0)
    small = {"dim": 8, "heads": 2, "local_depth": 2, "depth": 3, "mlp_ratio": 2.0}
    return uniformer.build(
        Uniformer(**small | settings), size=size, channels=channels, classes=classes
    )


def reach(block, channels):
    """Places that one place of the output depends on."""
    x = torch.randn(1, channels, 11, 11, requires_grad=True)
    block.eval()(x)[0, :, 5, 5].sum().backward()
    return x.grad[0].abs().sum(0) > 0


def test_local_blocks_see_their_neighbours_and_global_blocks_everything():
    """3×3 for the place, 5×5 for the mixture: three pixels away, and no further."""
    model = build()
    near = torch.zeros(11, 11, dtype=torch.bool)
    near[2:9, 2:9] = True

    assert torch.equal(reach(model.local_blocks[0], 8), near)
    assert reach(model.global_blocks[0], 16).all()


def test_it_sees_images_of_any_size():
    for size, patch in ((8, 1), (28, 2), (32, 4)):
        model = build(size=size, channels=3, patch=patch)
        assert model(torch.zeros(2, 3, size, size)).shape == (2, 3)


def test_the_branches_add_up_to_the_block():
    block = build().global_blocks[1].eval()
    x = torch.randn(2, 16, 4, 4)
    mixed, widened = block.branches()

    between = x + mixed(x)
    torch.testing.assert_close(block(x), between + widened(between))


def test_both_stages_are_wired_by_every_scheme(wires):
    wires(build(size=8, drop_path=0.2), torch.randn(2, 1, 8, 8))
