"""Training crops cut on the GPU: the host only chooses them, because it cannot cut as fast as the GPU trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from .crops import Crops

if TYPE_CHECKING:
    from numpy.typing import NDArray


class GpuCrops:
    """The images of `Crops` on a device, all in one flat tensor."""

    def __init__(self, crops: Crops, device: torch.device) -> None:
        self._patch, self._scale, self._white, self._colors = crops.patch, crops.scale, float(crops.white), crops.colors
        (self._high, self._high_layout), (self._low, self._low_layout) = (
            _flat([pair[part] for pair in crops.images], device) for part in (0, 1)
        )

    def cut(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """(LR, HR) of the rows that `Crops.choose` returns [N, 4]: the values of `Crops.cut`, in channels_last."""
        low = self._cut(self._low, self._low_layout, chosen, 1)
        return low, self._cut(self._high, self._high_layout, chosen, self._scale)

    def _cut(self, flat: Tensor, layout: Tensor, chosen: Tensor, scale: int) -> Tensor:
        index, top, left, orientation = chosen.view(-1, 4, 1, 1).unbind(1)
        begin, height, width = layout[index].unbind(-1)
        side = self._patch * scale
        y, x = torch.arange(side, device=flat.device).view(-1, 1), torch.arange(side, device=flat.device)
        # From the position of a value in the crop to its position in the image: the orientation is undone in reverse.
        transposed = (orientation & 4) > 0
        y, x = torch.where(transposed, x, y), torch.where(transposed, y, x)
        y = torch.where((orientation & 1) > 0, side - 1 - y, y) + top * scale
        x = torch.where((orientation & 2) > 0, side - 1 - x, x) + left * scale
        color = torch.arange(self._colors, device=flat.device)
        positions = (begin + y * width + x).unsqueeze(-1) + color * (height * width).unsqueeze(-1)
        values = flat[positions].to(torch.int32)
        if flat.dtype == torch.int16:
            values = values & 0xFFFF
        return (values.float() / self._white).permute(0, 3, 1, 2)


def _flat(planes: list[NDArray[Any]], device: torch.device) -> tuple[Tensor, Tensor]:
    """The values of all arrays in sequence, each once, and (start, height, width) of each image [images, 3]."""
    arrays = list({id(image): image for image in planes}.values())
    ends = np.cumsum([image.size for image in arrays])
    starts = {id(image): end - image.size for image, end in zip(arrays, ends, strict=True)}
    layout = [(starts[id(image)], *image.shape[1:]) for image in planes]
    values = np.concatenate([image.reshape(-1) for image in arrays])
    # PyTorch can index int16 but not uint16.
    values = values.view(np.int16) if values.dtype == np.uint16 else values
    return torch.from_numpy(values).to(device), torch.tensor(layout, device=device)
