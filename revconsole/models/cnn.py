"""Three 5×5 convolutions with ReLU and pooling, a layer of 1000 and a head: the homework's network.

At 32 pixels, three channels and ten classes it has 1,190,000 weights and 1,170 biases. The last pool rounds up,
so that images cropped to 28 pixels leave the same 4×4 features.
"""

from itertools import pairwise

from torch import nn

from revconsole.records.sections.model import Cnn

CHANNELS = (32, 64, 64)
WIDE = 1000


def build(
    settings: Cnn, *, size: int, channels: int, classes: int, width: int | None = None
) -> nn.Module:
    """The network with random initial weights, on the current default device. width: of images that are not square."""
    layers: list[nn.Module] = []
    for index, (before, after) in enumerate(pairwise((channels, *CHANNELS))):
        layers.append(nn.Conv2d(before, after, 5, padding=2))
        if settings.batch_norm:
            layers.append(nn.BatchNorm2d(after))
        layers += [nn.ReLU(), nn.MaxPool2d(2, ceil_mode=index == len(CHANNELS) - 1)]
    rows, columns = (-(-(side // 2 // 2) // 2) for side in (size, width or size))
    return nn.Sequential(
        *layers,
        nn.Flatten(),
        nn.Linear(CHANNELS[-1] * rows * columns, WIDE),
        nn.ReLU(),
        nn.Dropout(settings.dropout),
        nn.Linear(WIDE, classes),
    )
