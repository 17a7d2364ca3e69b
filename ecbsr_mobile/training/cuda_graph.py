"""A training step as one CUDA graph: a small network's step is a hundred launches that cost more than their work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

_EAGER = 3  # calls in which libraries choose kernels and processes meet, which must not happen while capturing


class CudaGraphStep(Generic[T]):
    """`work(*inputs)` on a GPU: called as it is at first, then captured, and from then on replayed.

    Each call computes once, whichever way. `work` must launch the same kernels every time, take all that changes
    from `inputs` and other tensors that stay in place, and never wait for the GPU.
    """

    def __init__(self, work: Callable[..., T]) -> None:
        self._work = work
        self._calls = 0
        self._inputs: list[Tensor] = []
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result: T

    def __call__(self, *inputs: Tensor) -> T:
        """The result of `work`, in place until the next call."""
        if not self._inputs:
            self._inputs = [torch.empty_like(one) for one in inputs]
        for held, one in zip(self._inputs, inputs, strict=True):
            held.copy_(one)
        self._calls += 1
        if self._calls <= _EAGER:
            return self._on_a_stream_of_its_own()
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            # The loader's thread pins memory meanwhile, which a capture of all threads would not allow.
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._result = self._work(*self._inputs)
        self._graph.replay()
        return self._result

    def _on_a_stream_of_its_own(self) -> T:
        stream, current = torch.cuda.Stream(), torch.cuda.current_stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            result = self._work(*self._inputs)
        current.wait_stream(stream)
        return result
