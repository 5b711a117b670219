"""Support vector machine: a binary machine for each pair of classes, fitted by scikit-learn's SVC.

    f(x) = Σ cₛ k(x, s) + b over the support vectors s of a pair;   f > 0 predicts the second class of the pair

Each pair has one vote; among classes with equal votes the larger sum of f wins, as in scikit-learn's
`decision_function`. SVC itself fits all pairs in one call that cannot be interrupted. The fitted arrays are buffers of
a module, so checkpoints, hashes and evaluation handle them unchanged.

Shapes: B images, N values of an image, U support vectors of all pairs together, P pairs, C classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.records.sections.model import Svm

CACHE_MIB = 200
GROWING = ("numbers", "vectors", "coefficients")
"""Buffers whose length is the number of support vectors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine fitted to one pair. numbers: positions of its support vectors (S,) among the training images."""

    pair: int
    numbers: Tensor
    vectors: Tensor
    coefficients: Tensor
    intercept: float
    gamma: float


def build(settings: Svm, *, size: int, channels: int, classes: int) -> nn.Module:
    """The machine before any fit, which favours no class."""
    return SupportVectors(settings, inputs=channels * size * size, classes=classes)


class SupportVectors(nn.Module):
    """The machines of all pairs of classes. Computes in float64, as libsvm does."""

    def __init__(self, settings: Svm, *, inputs: int, classes: int) -> None:
        super().__init__()
        self.settings, self.classes = settings, classes
        self.pairs = list(combinations(range(classes), 2))
        pairs = len(self.pairs)
        self.numbers: Tensor
        self.vectors: Tensor
        self.coefficients: Tensor
        self.intercepts: Tensor
        self.gamma: Tensor
        self.register_buffer("numbers", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("vectors", torch.zeros(0, inputs, dtype=torch.float64))
        self.register_buffer("coefficients", torch.zeros(pairs, 0, dtype=torch.float64))
        self.register_buffer("intercepts", torch.zeros(pairs, dtype=torch.float64))
        self.register_buffer("gamma", torch.zeros((), dtype=torch.float64))

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, …) to scores (B, C): −f/2 and f/2 for two classes, votes for more."""
        f = self.decisions(images)
        if self.classes == 2:
            return torch.cat([-f, f], dim=1) / 2
        first, second = torch.tensor(self.pairs, device=f.device).T
        votes, sums = f.new_zeros(2, len(f), self.classes)
        ones = torch.ones_like(f)
        votes.index_add_(1, second, ones * (f > 0)).index_add_(1, first, ones * (f <= 0))
        sums.index_add_(1, second, f).index_add_(1, first, -f)
        scores: Tensor = votes + sums / (3 * (sums.abs() + 1))
        return scores

    def decisions(self, images: Tensor) -> Tensor:
        """The value f of each pair, (B, P)."""
        x = images.flatten(1).double()
        return self._kernel(x) @ self.coefficients.T + self.intercepts

    def add(self, machine: Machine) -> None:
        """Add the machine of one pair; support vectors shared with other pairs are stored once."""
        stored = torch.isin(machine.numbers, self.numbers)
        fresh = machine.numbers[~stored]
        self.numbers = torch.cat([self.numbers, fresh])
        self.vectors = torch.cat([self.vectors, machine.vectors[~stored]])
        more = self.coefficients.new_zeros(len(self.pairs), len(fresh))
        self.coefficients = torch.cat([self.coefficients, more], dim=1)
        order = self.numbers.argsort()
        places = order[torch.searchsorted(self.numbers[order], machine.numbers)]
        self.coefficients[machine.pair, places] = machine.coefficients
        self.intercepts[machine.pair] = machine.intercept
        self.gamma.fill_(machine.gamma)

    def _kernel(self, x: Tensor) -> Tensor:
        """Kernel of every image and every support vector, (B, U)."""
        settings = self.settings
        if settings.kernel == "rbf":
            return torch.exp(-self.gamma * torch.cdist(x, self.vectors).square())
        products = x @ self.vectors.T
        if settings.kernel == "linear":
            return products
        return (self.gamma * products).pow(settings.degree)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """Resize the buffers to the number of support vectors in the checkpoint."""
        for name in GROWING:
            saved = state_dict.get(prefix + name)
            if saved is not None:
                setattr(self, name, torch.empty_like(saved, device=self.intercepts.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def support_vectors(model: nn.Module) -> int:
    """The number of support vectors of a machine; 0 for any other model."""
    return len(model.numbers) if isinstance(model, SupportVectors) else 0


def fit(
    settings: Svm, images: Tensor, second: Tensor, *, pair: int, numbers: Tensor, gamma: float
) -> Machine:
    """Fit one pair. images: (B, …); numbers: their places in the training split; second: of the second class."""
    from sklearn.svm import SVC  # takes two seconds to import

    x = images.flatten(1).double().numpy()
    classifier = SVC(
        C=settings.C, kernel=settings.kernel, gamma=gamma, degree=settings.degree, cache_size=CACHE_MIB
    ).fit(x, second.numpy())  # fmt: skip
    support = torch.from_numpy(classifier.support_).long()
    return Machine(
        pair=pair,
        numbers=numbers[support],
        vectors=torch.from_numpy(x)[support],
        coefficients=torch.from_numpy(classifier.dual_coef_[0]),
        intercept=float(classifier.intercept_[0]),
        gamma=gamma,
    )
