"""What is judged of CUDA devices, from what machines say of them: which is taken, which is refused and why."""

import pytest
import torch

from revconsole.training.machine import cards, devices
from revconsole.training.machine.cards import Card, Driver

GIB = 2**30
CUDA_13 = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]


def card(number: int, capability: tuple[int, int] = (9, 0), free: float | None = None) -> Card:
    free_bytes = None if free is None else int(free * GIB)
    return Card(device=f"cuda:{number}", name="A card", capability=capability, free=free_bytes)


def test_the_emptiest_card_is_taken_and_the_first_where_that_is_not_known():
    crowded, empty, half = card(0, free=3), card(1, free=70), card(2, free=40)

    assert cards.emptiest([crowded, empty, half]) == empty
    assert cards.emptiest([crowded, card(1, free=3)]) == crowded
    assert cards.emptiest([crowded, card(1), half]) == crowded


def test_free_memory_is_read_by_the_cards_own_id_and_a_line_that_is_none_is_passed_over():
    answer = "GPU-b9a1-77, 8100\nGPU-c0, [N/A]\nwarning: of something\nGPU-d1, 12\n"

    assert cards.free_of(answer) == {"b9a1-77": 8100 * 2**20, "d1": 12 * 2**20}


@pytest.mark.parametrize(
    ("capability", "built_for", "runs"),
    [
        ((9, 0), CUDA_13, True),
        ((8, 9), CUDA_13, True),  # code of 8.6 runs on it
        ((8, 7), ["sm_90"], False),
        ((7, 0), CUDA_13, False),  # Volta
        ((6, 1), CUDA_13, False),  # Pascal
        ((12, 0), ["sm_80", "sm_90"], False),
        ((12, 0), ["sm_80", "sm_90", "compute_90"], True),  # compiled where it runs
        ((10, 3), ["sm_100a"], False),  # of that very capability alone
        ((10, 0), ["sm_100a"], True),
        ((5, 0), [], True),  # of a build that does not say
    ],
)
def test_a_card_without_kernels_is_refused_before_the_first_one(capability, built_for, runs):
    said = cards.lacks_kernels(card(1, capability), built_for)

    assert (said == "") is runs
    if not runs:
        major, minor = capability
        assert said.startswith(f"cuda:1 (A card) has compute capability {major}.{minor}")
        way = "CUDA 12.6" if capability < (7, 5) else "torch"
        assert way in said.partition("install")[2]


def test_a_newer_card_is_told_to_take_a_newer_torch_and_an_older_one_an_older_build():
    assert "install a newer torch" in cards.lacks_kernels(card(0, (12, 0)), ["sm_80", "sm_90"])
    assert "cu126" in cards.lacks_kernels(card(0, (7, 0)), CUDA_13)


@pytest.mark.parametrize(
    ("capability", "native"),
    [((7, 0), False), ((7, 5), False), ((8, 0), True), ((8, 6), True), ((9, 0), True)],
)
def test_bf16_is_of_cards_that_have_its_arithmetic(capability, native):
    assert cards.computes_in_bf16(capability) is native


def driver(version: str | None, cuda: str | None = "13.2", **more) -> Driver:
    return Driver(version=version, cuda=cuda, build="2.15.0", **{"error": ""} | more)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (driver("535.183.01"), ["driver 535.183.01", "torch 2.15.0", "CUDA 13.2", "driver 580 or newer", "cu126"]),
        (driver("470.57.02", "12.4"), ["driver 470.57.02", "needs driver 525"]),
        (driver("580.65.06", None), ["is built without CUDA", "cu126"]),
        (driver("580.65.06", hidden=""), ["CUDA_VISIBLE_DEVICES is ''", "unset it"]),
        (driver("580.65.06", error="CUDA unknown error - this may be due to X. Long."), ["cannot use it: CUDA unknown error"]),
        (driver(None, error=""), ["NVIDIA's driver", "no reason is given"]),
    ],
)  # fmt: skip
def test_a_driver_that_torch_cannot_use_is_explained_in_one_sentence(seen, words):
    said = cards.why_unseen(seen)

    assert all(word in said for word in words), said
    assert "\n" not in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU that torch sees")
def test_a_machine_with_a_driver_that_torch_cannot_use_says_so_and_one_without_says_nothing(
    tmp_path,
):
    assert cards.unseen(tmp_path) == ""
    place = tmp_path / "proc/driver/nvidia"
    place.mkdir(parents=True)
    (place / "version").write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.183.01  Release Build\n"
    )

    assert "NVIDIA's driver 535.183.01" in cards.unseen(tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU that torch sees")
def test_auto_takes_the_cpu_where_there_is_no_gpu_and_nothing_is_said():
    said: list[str] = []

    assert str(devices.choose("auto", said.append)) == devices.available()[0]
    assert said == []
    assert devices.passed_over() == cards.unseen()
