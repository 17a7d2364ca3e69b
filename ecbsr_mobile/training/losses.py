"""What training minimizes. Losses compare `upscaled` [N, C, H, W] with HR, in [0, 1], and are means over the crops."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..images import RGB_TO_YCBCR
from ..network import PlainNet
from ..quantization.fake_quant import round_to_8_bits

if TYPE_CHECKING:
    from ..utils.progress import Progress
    from .crops import Crops

MSE_FLOOR = 1e-4
"""Added to a crop's mean squared error before its logarithm, so that crops far above 40 dB do not dominate."""

ROUNDING_MSE = 1 / 12 / 255**2
"""The mean squared error of rounding to 8 bits."""


def psnr_loss(upscaled: Tensor, high: Tensor) -> Tensor:
    """The negative mean over the crops of their PSNR in dB, the quantity that is reported in the end.

    L1 and L2 are dominated by crops of fine texture, where little can be gained; a mean of logarithms is not. For RGB
    it is the mean of the PSNR of the three colors and that of their luma, which papers report.
    """
    error = upscaled - high
    if error.shape[1] == 1:
        return _negative_psnr(error)
    # Python numbers: a tensor created here would be copied to the GPU in every step, which a CUDA graph cannot capture.
    red, green, blue = RGB_TO_YCBCR[0].tolist()
    luma = red * error[:, 0:1] + green * error[:, 1:2] + blue * error[:, 2:3]
    return (_negative_psnr(error) + _negative_psnr(luma)) / 2


def distillation_loss(upscaled: Tensor, float_result: Tensor, float_mse: Tensor) -> Tensor:
    """The mean squared distance to the float network's result, relative to that network's own error [N] against HR.

    `float_mse` is the error on the whole image: a tenth of it costs the image 0.4 dB, whatever its PSNR; the error on
    a crop can be far from it. HR is not the target because it is far from both results, and the effect of rounding is
    lost in its noise.
    """
    return ((upscaled - float_result).square().mean((1, 2, 3)) / (float_mse + ROUNDING_MSE)).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": torch.nn.functional.l1_loss,
    "l2": torch.nn.functional.mse_loss,
    "psnr": psnr_loss,
}


class Distillation:
    """The loss of an int8 network against its own float network on the same 8-bit LR images."""

    mse: Tensor
    """[images]: the float network's mean squared error against HR on each whole image; set by `measure`."""

    def __init__(self, float_net: PlainNet, device: torch.device) -> None:
        self._float_net = deepcopy(float_net).to(device)
        self._device = device

    @torch.no_grad()
    def measure(self, crops: Crops, progress: Progress | None = None) -> None:
        """Measure the float network's error on each image of `crops`."""
        numbers = range(len(crops))
        errors = []
        for index in progress(numbers, "measuring the float network") if progress else numbers:
            low, high = (torch.from_numpy(part).to(self._device) for part in crops.whole(index))
            errors.append((self._float_result(low) - high).square().mean())
        self.mse = torch.stack(errors)

    def __call__(self, upscaled: Tensor, low: Tensor, image_index: Tensor) -> Tensor:
        """The loss on LR crops `low` [N, C, h, w] of the images `image_index` [N]."""
        with torch.no_grad():
            float_result = self._float_result(low)
        return distillation_loss(upscaled, float_result, self.mse[image_index])

    def _float_result(self, low: Tensor) -> Tensor:
        result: Tensor = self._float_net(round_to_8_bits(low))
        return result.clamp_(0, 1)


def _negative_psnr(error: Tensor) -> Tensor:
    return 10 * torch.log10(error.square().mean((1, 2, 3)) + MSE_FLOOR).mean()
