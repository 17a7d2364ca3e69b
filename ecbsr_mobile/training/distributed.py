"""Training in several processes started by `torchrun`, on one machine or several.

Each process trains on its share of the crops of every batch, and the gradients are averaged: up to rounding, the result
is that of one process with the whole batch. Only the first process validates and writes.
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
    """The processes of this run: the `rank` of this one, from 0, and their `count`."""

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
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with _reaching_others():
            dist.all_reduce(flat)
        parts = torch.split(flat.div_(self.count), [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def any(self, flag: bool) -> bool:
        """Whether `flag` is set in any process; all of them get the same answer, at the same step."""
        if self.count == 1:
            return flag
        largest = torch.tensor(float(flag))
        with _reaching_others():
            dist.all_reduce(largest, dist.ReduceOp.MAX)
        return bool(largest)

    def from_first(self, make: Callable[[], T]) -> T:
        """The result of `make()` in the first process, sent to all of them."""
        value = make() if self.first else None
        if self.count > 1:
            values = [value]
            with _reaching_others():
                dist.broadcast_object_list(values)
            (value,) = values
        return cast(T, value)


def started_by_torchrun() -> bool:
    """Whether `torchrun` started this process."""
    return dist.is_available() and dist.is_torchelastic_launched()


def rank() -> int:
    """The rank of this process, also before `processes` has joined them."""
    return int(os.environ["RANK"]) if started_by_torchrun() else 0


@contextmanager
def processes(device: torch.device) -> Iterator[Processes]:
    """Join the processes of this run; without `torchrun` it is a single one.

    Raises:
        EcbsrError: another process ended during the run.
    """
    if not started_by_torchrun():
        yield Processes()
        return
    # Optimizers import this module, whose functions keep the current group as a default argument. Imported later, it
    # would keep the group's threads alive until the interpreter ends, which they sometimes abort.
    import torch.distributed.nn.functional  # noqa: F401

    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=timedelta(hours=1))  # others wait while the first one validates
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


@contextmanager
def _reaching_others() -> Iterator[None]:
    try:
        yield
    except RuntimeError:
        raise EcbsrError("another process of this run ended; see its message, then --resume all of them") from None


def choose_device(name: str) -> torch.device:
    """The device for `auto` (a GPU if there is one), `cpu` or `cuda`; with `torchrun`, each process gets its own GPU.

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
