"""A state dict: tensors by name."""

from __future__ import annotations

from torch import Tensor, nn

from ..errors import EcbsrError

State = dict[str, Tensor]


def load_state(module: nn.Module, state: State, what: str) -> None:
    """Copy the tensors into a module.

    Raises:
        EcbsrError: a tensor is missing or left over, or has another shape; the message begins with `what`.
    """
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        reasons = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
        raise EcbsrError(f"{what} has inconsistent tensors: {reasons[0].rstrip('.')}") from None
