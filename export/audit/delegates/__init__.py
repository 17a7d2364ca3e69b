"""Which operators each delegate supports: tables with the source of every rule, one module per delegate.

No table was checked on a phone. The rules come from the delegates' source code; those of XNNPACK are compared with
the runtime of this machine. A vendor's driver or compiler may still refuse a node that its delegate accepts.
"""

from .base import Delegate
from .gpu import GPU, GPU_ML_DRIFT
from .hexagon import HEXAGON
from .nnapi import NNAPI
from .npu import GOOGLE_TENSOR, MEDIATEK, QNN, SAMSUNG
from .xnnpack import XNNPACK

DELEGATES: tuple[Delegate, ...] = (
    XNNPACK,
    GPU,
    GPU_ML_DRIFT,
    *NNAPI,
    QNN,
    MEDIATEK,
    SAMSUNG,
    GOOGLE_TENSOR,
    HEXAGON,
)
"""Every delegate, in the order of tables."""
