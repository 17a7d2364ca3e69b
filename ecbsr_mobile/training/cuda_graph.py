"""A training step as one CUDA graph: launching the hundred kernels of a small network takes longer than their work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

WARM_UP = 3
"""Calls before the capture: libraries choose kernels and processes connect in them, which a capture does not allow."""


class CudaGraphStep(Generic[T]):
    """`work(*inputs)` on a GPU: called normally at first, then captured, and replayed from then on.

    Each call computes once. `work` must launch the same kernels every time, read what changes from `inputs` and from
    tensors that keep their address, and never wait for the GPU.
    """

    def __init__(self, work: Callable[..., T]) -> None:
        self._work = work
        self._calls = 0
        self._inputs: list[Tensor] = []
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result: T

    def __call__(self, *inputs: Tensor) -> T:
        """The result of `work`; the next call overwrites it."""
        if not self._inputs:
            self._inputs = [torch.empty_like(tensor) for tensor in inputs]
        for target, source in zip(self._inputs, inputs, strict=True):
            target.copy_(source)
        self._calls += 1
        if self._calls <= WARM_UP:
            return self._on_side_stream()
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            # The thread that prefetches batches pins memory meanwhile, which a capture of all threads would not allow.
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._result = self._work(*self._inputs)
        self._graph.replay()
        return self._result

    def _on_side_stream(self) -> T:
        """PyTorch requires warm-up calls to run on another stream than the default one."""
        stream, current = torch.cuda.Stream(), torch.cuda.current_stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            result = self._work(*self._inputs)
        current.wait_stream(stream)
        return result
