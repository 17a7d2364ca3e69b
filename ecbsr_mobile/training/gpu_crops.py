"""Training crops cut on a GPU: the host draws where, for it cannot cut as fast as a GPU learns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..dataset import Crops

if TYPE_CHECKING:
    from numpy.typing import NDArray


class GpuCrops:
    """The pictures of `Crops`, held on a device as one row of numbers."""

    def __init__(self, crops: Crops, device: torch.device) -> None:
        self._patch, self._scale, self._unit = crops.patch, crops.scale, float(crops.unit)
        self._colors = len(crops.pictures[0][0])
        (self._high, self._high_at), (self._low, self._low_at) = (
            _row([pair[part] for pair in crops.pictures], device) for part in (0, 1)
        )

    def cut(self, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """(LR, HR) of what `Crops.draw` drew [N, 4]: the values that `Crops.batch` has, in channels_last."""
        low = self._one(self._low, self._low_at, drawn, 1)
        return low, self._one(self._high, self._high_at, drawn, self._scale)

    def _one(self, row: Tensor, at: Tensor, drawn: Tensor, scale: int) -> Tensor:
        index, top, left, way = drawn.view(-1, 4, 1, 1).unbind(1)
        begin, height, width = at[index].unbind(-1)
        side = self._patch * scale
        y, x = torch.arange(side, device=row.device).view(-1, 1), torch.arange(side, device=row.device)
        # The ways are undone in reverse: from where a value goes to where it comes from.
        along = (way & 4) > 0
        y, x = torch.where(along, x, y), torch.where(along, y, x)
        y = torch.where((way & 1) > 0, side - 1 - y, y) + top * scale
        x = torch.where((way & 2) > 0, side - 1 - x, x) + left * scale
        color = torch.arange(self._colors, device=row.device)
        places = (begin + y * width + x).unsqueeze(-1) + color * (height * width).unsqueeze(-1)
        values = row[places].to(torch.int32)
        if row.dtype == torch.int16:
            values = values & 0xFFFF
        return (values.float() / self._unit).permute(0, 3, 1, 2)


def _row(planes: list[NDArray[Any]], device: torch.device) -> tuple[Tensor, Tensor]:
    """All values one after another, and where each picture's begin, its height and its width [pictures, 3]."""
    begins = np.cumsum([0, *(each.size for each in planes)])
    at = [(begin, *each.shape[1:]) for begin, each in zip(begins, planes, strict=False)]
    row = np.concatenate([each.reshape(-1) for each in planes])
    # Torch can index signed numbers of two bytes, not unsigned ones.
    row = row.view(np.int16) if row.dtype == np.uint16 else row
    return torch.from_numpy(row).to(device), torch.tensor(at, device=device)
