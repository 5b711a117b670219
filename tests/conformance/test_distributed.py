"""Two processes that share the work: gradients are those of one process with the joined batch."""

import os
import socket

import pytest
import timm
import torch
import torch.distributed as dist
from torch import nn

from revconsole.errors import NotInvertible
from revconsole.reversible import Additive, Bdia, Momentum, rewire, set_draws

pytestmark = pytest.mark.slow

FLOAT64_GRADIENT = 1e-10  # reconstruction in float64, and a mean over two processes
PROCESSES, BATCH, DEPTH = 2, 4, 4
WIRINGS = {"additive": Additive(), "momentum": Momentum(), "bdia-grid9": Bdia(grid_bits=9)}


def built(wiring, backward="reversible"):
    torch.manual_seed(0)
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=8, patch_size=2, embed_dim=24, num_heads=2, depth=DEPTH,
        num_classes=5,
    )  # fmt: skip
    model = rewire(model.double(), wiring, backward).train()
    set_draws(model, lambda blocks, samples, _: torch.ones(blocks, samples).tril(1) * 2 - 1)
    return model


def images():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(PROCESSES * BATCH, 3, 8, 8, generator=generator, dtype=torch.float64)


def share(rank):
    return images()[rank * BATCH : (rank + 1) * BATCH]


def joined(wiring):
    """One process and the whole batch, each half under the signs that its process draws."""
    model = built(wiring, "stored")
    for rank in range(PROCESSES):
        (model(share(rank)).square().sum() / PROCESSES).backward()
    return {name: p.grad for name, p in model.named_parameters()}


def in_process(rank, port, works, results):
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=PROCESSES)
    try:
        found = {name: work(rank, wiring) for name, (work, wiring) in works.items()}
    finally:
        dist.destroy_process_group()
    if rank == 0:
        torch.save(found, results)


def with_ddp(rank, wiring):
    model = built(wiring)
    order = []
    for index, block in enumerate(model.blocks):
        for parameter in block.parameters():
            parameter.register_post_accumulate_grad_hook(lambda _, at=index: order.append(at))
    parallel = nn.parallel.DistributedDataParallel(model)
    parallel(share(rank)).square().sum().backward()
    return {"order": order, "gradients": {name: p.grad for name, p in model.named_parameters()}}


def with_fsdp(rank, wiring, backward="reversible"):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    model, mesh = built(wiring, backward), init_device_mesh("cpu", (PROCESSES,))
    fully_shard(model.blocks, mesh=mesh)
    fully_shard(model, mesh=mesh)
    model(share(rank)).square().sum().backward()
    return {name: p.grad.full_tensor() for name, p in model.named_parameters()}


def with_fsdp_and_a_mixture(rank, wiring):
    return with_fsdp(rank, wiring, ("reversible", "checkpointed", "checkpointed", "stored"))


def with_sharded_blocks(rank, wiring):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    model, mesh = built(wiring), init_device_mesh("cpu", (PROCESSES,))
    for block in model.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    try:
        model(share(rank))
    except NotInvertible as refusal:
        return str(refusal)
    return ""


WORKS = {name: (with_ddp, wiring) for name, wiring in WIRINGS.items()} | {
    "sharded": (with_fsdp, WIRINGS["additive"]),
    "sharded, a mixture": (with_fsdp_and_a_mixture, WIRINGS["additive"]),
    "sharded, block by block": (with_sharded_blocks, WIRINGS["additive"]),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each of the works returned in the first of two processes, which both do all of them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    results = tmp_path_factory.mktemp("distributed") / "found.pt"
    torch.multiprocessing.set_forkserver_preload(["torch", "timm"])
    torch.multiprocessing.start_processes(
        in_process, (port, WORKS, results), nprocs=PROCESSES, start_method="forkserver"
    )
    return torch.load(results, weights_only=True)


@pytest.mark.parametrize("name", WIRINGS)
def test_data_parallel_gradients_are_those_of_the_joined_batch_and_come_block_by_block(
    name, found, worst_error
):
    assert worst_error(joined(WIRINGS[name]), found[name]["gradients"]) < FLOAT64_GRADIENT
    order = found[name]["order"]
    assert order == sorted(order, reverse=True)
    assert set(order) == set(range(DEPTH))


@pytest.mark.parametrize("name", ["sharded", "sharded, a mixture"])
def test_fully_sharded_gradients_are_those_of_the_joined_batch(name, found, worst_error):
    assert worst_error(joined(WIRINGS["additive"]), found[name]) < FLOAT64_GRADIENT


def test_blocks_that_are_sharded_one_by_one_are_refused(found):
    assert "apply fully_shard to the whole ReversibleSequence" in found["sharded, block by block"]
