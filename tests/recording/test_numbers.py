"""What a loop measures is a number, of whatever library; one on a device is not waited for."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from revconsole.recording.numbers import taken


@pytest.mark.parametrize(
    "value",
    [
        0.5,
        Fraction(1, 2),
        np.float32(0.5),
        np.array([0.5])[0],
        torch.tensor(0.5),
        torch.tensor([0.5], requires_grad=True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_number_of_any_library_is_a_float(value):
    assert taken(value) == 0.5
    assert (taken(3), taken(True), taken(np.int64(3))) == (3.0, 1.0, 3.0)


class OnDevice:
    """A tensor of one element on a device of its own; to read it would wait for the device."""

    device = SimpleNamespace(type="cuda")

    def __init__(self, value, read):
        self.value, self.read = value, read

    def numel(self):
        return 1

    def detach(self):
        return self

    def clone(self):
        return OnDevice(self.value, self.read)

    def __float__(self):
        self.read.append(self.value)
        return self.value


def test_a_tensor_on_a_device_is_read_later_and_as_it_was():
    read = []
    tensor = OnDevice(1.0, read)
    number = taken(tensor)
    tensor.value = 2.0

    assert read == []
    assert callable(number)
    assert (number(), read) == (1.0, [1.0])


@pytest.mark.parametrize("value", ["0.5", b"1", None, [1.0], torch.zeros(2), np.zeros((2, 2))])
def test_what_is_no_single_number_is_refused(value):
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        taken(value)
