"""A training step as one CUDA graph: a small network's step is a hundred launches that cost more than their work."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_EAGER = 3  # calls in which libraries choose kernels and processes meet, which must not happen while capturing


class Captured:
    """`work(*inputs)` on a GPU: called as it is at first, then captured, and from then on replayed.

    Each call computes once, whichever way. `work` must launch the same kernels every time, take all that changes
    from `inputs` and other tensors that stay in place, and never wait for the GPU.
    """

    def __init__(self, work: Callable[..., Tensor]) -> None:
        self._work = work
        self._calls = 0
        self._inputs: list[Tensor] = []
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result: Tensor | None = None

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The result of `work`, in place until the next call; `inputs` may lie in pinned memory of the host."""
        if not self._inputs:
            self._inputs = [torch.empty_like(one, device="cuda") for one in inputs]
        for held, one in zip(self._inputs, inputs, strict=True):
            held.copy_(one, non_blocking=True)
        self._calls += 1
        if self._calls <= _EAGER:
            return self._on_a_stream_of_its_own()
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            # The loader's thread pins memory meanwhile, which a capture of all threads would not allow.
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._result = self._work(*self._inputs)
        self._graph.replay()
        assert self._result is not None
        return self._result

    def _on_a_stream_of_its_own(self) -> Tensor:
        stream, current = torch.cuda.Stream(), torch.cuda.current_stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            result = self._work(*self._inputs)
        current.wait_stream(stream)
        return result
