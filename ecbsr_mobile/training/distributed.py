"""One training run in several processes, as `torchrun` starts them, on one machine or several.

Each process takes its share of the crops of every batch, and the gradients are averaged: the result is that
of one process with the whole batch, to rounding. The first process alone validates and writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

import torch
from torch import Tensor
from torch import distributed as dist

from ..errors import EcbsrError

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """The processes of this run as one of them sees them: its own `rank`, from 0, and how many there are."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that validates and writes."""
        return self.rank == 0

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each float tensor by its mean over the processes."""
        if self.count == 1:
            return
        together = torch.cat([tensor.flatten() for tensor in tensors])
        with _reaching_others():
            dist.all_reduce(together)
        parts = torch.split(together.div_(self.count), [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def any(self, said: bool) -> bool:
        """Whether any process says so; all of them get the same answer, at the same step."""
        if self.count == 1:
            return said
        answer = torch.tensor(float(said))
        with _reaching_others():
            dist.all_reduce(answer, dist.ReduceOp.MAX)
        return bool(answer)

    def from_first(self, make: Callable[[], T]) -> T:
        """What `make()` gives in the first process, in all of them."""
        value = make() if self.first else None
        if self.count > 1:
            held = [value]
            with _reaching_others():
                dist.broadcast_object_list(held)
            value = held[0]
        return cast(T, value)


def started_by_torchrun() -> bool:
    """Whether this is one of the processes of a `torchrun`."""
    return dist.is_available() and dist.is_torchelastic_launched()


def rank() -> int:
    """Which process of its run this is, also before `processes` has joined them."""
    return int(os.environ["RANK"]) if started_by_torchrun() else 0


@contextmanager
def processes(device: torch.device) -> Iterator[Processes]:
    """Join the processes of this run; one alone where `torchrun` did not start it.

    Raises:
        EcbsrError: while inside, another process has ended.
    """
    if not started_by_torchrun():
        yield Processes()
        return
    # Optimizers import this, and its functions' default arguments hold the group that there is: were it imported later,
    # the group's threads would outlive the group, into the end of the interpreter, which they now and then abort.
    import torch.distributed.nn.functional  # noqa: F401

    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=timedelta(hours=1))  # a validation of large pictures is waited for
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


@contextmanager
def _reaching_others() -> Iterator[None]:
    try:
        yield
    except RuntimeError:
        raise EcbsrError("another process of this run has ended; see what it said, then --resume all of them") from None


def choose_device(name: str) -> torch.device:
    """The device that `auto`, `cpu` or `cuda` stands for: with `torchrun`, a GPU for each process.

    Raises:
        EcbsrError: there is no such GPU.
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise EcbsrError("device cuda: this PyTorch sees no GPU; use cpu, or install a PyTorch built for CUDA")
    index = int(os.environ["LOCAL_RANK"]) if started_by_torchrun() else torch.cuda.current_device()
    if index >= torch.cuda.device_count():
        raise EcbsrError(
            f"device {name}: there are {torch.cuda.device_count()} GPUs for process {index + 1} of this machine; "
            f"use torchrun --nproc-per-node {torch.cuda.device_count()}"
        )
    torch.cuda.set_device(index)
    return torch.device("cuda", index)
