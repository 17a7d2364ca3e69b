"""Which instructions PyTorch uses: with wider ones, sums are added in another order, and learned weights differ."""

from __future__ import annotations

import os

COMMON = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
"""What nearly every x86-64 processor has; other processors ignore it."""


def use_common() -> None:
    """Limit PyTorch to instructions of nearly every processor, unless the environment says otherwise.

    Has an effect before PyTorch is imported, and on processes started later. Fine-tuning is as fast with AVX2 as with
    AVX-512: its convolutions are small.
    """
    for name, value in COMMON.items():
        os.environ.setdefault(name, value)
