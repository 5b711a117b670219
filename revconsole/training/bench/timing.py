"""Timing: the seconds of one step, measured after waiting for the device."""

import time

import torch
from torch import Tensor

from revconsole.training.bench.subject import BenchedModel

HOW = {
    "cuda": "CUDA events around the forward and the backward of one batch",
    "mps": "wall clock of the forward and the backward of one batch, the device waited for",
    "cpu": "wall clock of the forward and the backward of one batch",
}


def timed_step(subject: BenchedModel, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """(seconds of the forward, seconds of forward and backward); leaves no gradients."""
    step = _by_events if images.device.type == "cuda" else _by_the_wall
    times = step(subject, images, labels)
    subject.forget()
    return times


def _by_the_wall(subject: BenchedModel, images: Tensor, labels: Tensor) -> tuple[float, float]:
    began = _now(images.device)
    loss = subject.loss(images, labels)
    turned = _now(images.device)
    torch.autograd.backward(loss)
    return turned - began, _now(images.device) - began


def _now(device: torch.device) -> float:
    if device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


def _by_events(subject: BenchedModel, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Times by CUDA events, because waiting between forward and backward would itself cost time."""
    began, turned, ended = (torch.Event(images.device, enable_timing=True) for _ in range(3))
    torch.cuda.synchronize(images.device)
    began.record()
    loss = subject.loss(images, labels)
    turned.record()
    torch.autograd.backward(loss)
    ended.record()
    torch.cuda.synchronize(images.device)
    return began.elapsed_time(turned) / 1000, began.elapsed_time(ended) / 1000
