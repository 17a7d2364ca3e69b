"""The options of an export."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecbsr_mobile.architecture import PRELU_DECOMPOSITIONS
from ecbsr_mobile.errors import OptionError, UsageError

from . import resolutions
from .npu import socs
from .resolutions import Size

if TYPE_CHECKING:
    from ecbsr_mobile.architecture import Activation

PRECISIONS = ("fp32", "fp16", "int8")
TARGETS = ("cpu", "gpu", "nnapi", "npu")
"""What runs an int8 file; float files are the same for all."""

IO_DTYPES = ("int8", "uint8", "float32")
"""Data types of the input and output of an int8 file."""

ACTIVATION_BITS = (8, 16)
"""Bits of an int8 file's activations; 16 is TFLite's int16x8."""

INT16_TARGETS = ("npu",)
"""Targets that run 16-bit activations: XNNPACK, the GPU delegates and NNAPI take no int16 convolution."""

INT8_OPTIONS = ("target", "prelu", "io_dtype", "finetune", "fixed_size")
"""Fields of `ExportOptions` that only an int8 file depends on."""

TFLITE_OPTIONS = ("sizes", "calibration", "max_drop", "npu", "gpu")
"""Fields of `ExportOptions` that only TFLite files depend on."""

PRELU = ("auto", *PRELU_DECOMPOSITIONS)
"""How an int8 file writes PReLU: see `ecbsr_mobile.architecture.PReLUDecomposition`; "auto" measures and chooses."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of `export`; the command's flags have the same names and defaults.

    Attributes:
        precisions: of the TFLite files, out of `PRECISIONS`; may be empty with `onnx`.
        sizes: of the LR input, as (width, height), "960x540" or "540p"; one TFLite file each.
        target: what runs the int8 file, out of `TARGETS`.
        prelu: how the int8 file writes PReLU, out of `PRELU`. "auto": native for accelerators; for CPUs single, unless
            double keeps clearly more of the quality.
        calibration: folder of images like those that the network is for; None uses the bundled ones.
        io_dtype: data type of the int8 file's input and output, out of `IO_DTYPES`.
        activations: bits of the int8 file's activations, out of `ACTIVATION_BITS`. 16 keeps nearly all of the quality,
            runs on `INT16_TARGETS` only, and is not fine-tuned.
        finetune: steps of fine-tuning for int8, with the float network's results as targets. 0 uses weights that were
            trained for int8 as they are, and calibrates others. None: as many as suit the network for weights that were
            not trained for int8; 0 for those that were, for bundled models, and for networks worse than bicubic.
        fixed_size: let the int8 file compute four pixels at once in the end: quicker on CPUs, for luma at x2, and not
            to be resized to odd sides (see `ecbsr_mobile.tflite.four_pixels`).
        max_drop: largest loss of PSNR against the float network, in dB.
        onnx: whether to write ONNX, with dynamic height and width, too.
        npu: NPU compiler that compiles each file, like "qualcomm" or "qualcomm:SM8650"; its reports go into the
            recipes.
        gpu: ask the GPU delegate of this machine what it takes of each file; its report goes into the recipes.
        overwrite: replace files that exist.
        identity: for a weights file: see `checkpoint.load`.
        value_range: for a weights file: see `checkpoint.load`.
        activation: for a weights file: see `checkpoint.load`.
        residual: for a weights file: see `checkpoint.load`.
        slope: for a weights file: see `checkpoint.load`.

    Raises:
        UsageError: an unknown value, nothing to write, or an option that no file honors.
    """

    precisions: Sequence[str] = ("fp32", "int8")
    sizes: Sequence[str | Size] = ("270p",)
    target: str = "cpu"
    prelu: str = "auto"
    calibration: str | os.PathLike[str] | None = None
    io_dtype: str = "int8"
    activations: int = 8
    finetune: int | None = None
    fixed_size: bool = False
    max_drop: float = 0.25
    onnx: bool = False
    npu: str | None = None
    gpu: bool = False
    overwrite: bool = False
    identity: bool | None = None
    value_range: float | None = None
    activation: Activation | None = None
    residual: bool | None = None
    slope: float | None = None

    def __post_init__(self) -> None:
        for name in ("precisions", "sizes"):
            values = getattr(self, name)
            object.__setattr__(self, name, tuple(dict.fromkeys([values] if isinstance(values, str) else values)))
        for precision in self.precisions:
            check_choice("precision", precision, PRECISIONS)
        if not self.precisions and not self.onnx:
            raise UsageError("nothing to write: give a precision, or onnx")
        if not self.lr_sizes:
            raise UsageError("no size is given; give one, such as 270p")
        check_choice("target", self.target, TARGETS)
        check_choice("io_dtype", self.io_dtype, IO_DTYPES)
        if self.finetune is not None and (not isinstance(self.finetune, int) or self.finetune < 0):
            raise OptionError(f"{{finetune}} is a number of steps, 0 or more, not {self.finetune}")
        check_choice("prelu", self.prelu, PRELU)
        self._check_activations()
        self._check_fixed_size()
        if not 0 <= self.max_drop < math.inf:  # a recipe holds no infinity
            raise OptionError(f"{{max_drop}} is a number of dB, 0 or more, not {self.max_drop}")
        if self.npu:
            socs.parse_socs(self.npu)
        self._refuse_unused()

    def _refuse_unused(self) -> None:
        """Refuse an option that none of the files can honor.

        Raises:
            UsageError: there is one.
        """
        for names, needed, wanted in (
            (INT8_OPTIONS, "int8" in self.precisions, "an int8 file: add {the precision int8|--int8}"),
            (TFLITE_OPTIONS, bool(self.precisions), "TFLite files: add {a precision|--fp32, --fp16 or --int8}"),
        ):
            for name in names:
                value = getattr(self, name)
                if not needed and value != type(self).__dataclass_fields__[name].default:
                    flag = "--size" if name == "sizes" else f"--{name.replace('_', '-')}"
                    raise OptionError(f"{{{name}|{flag}}} is an option of {wanted}, or leave it out")

    def _check_activations(self) -> None:
        if self.activations not in ACTIVATION_BITS:
            raise UsageError(f"activations have 8 or 16 bits, not {self.activations}")
        if self.activations == 8:
            return
        if "int8" not in self.precisions:
            raise OptionError(f"16-bit activations belong to int8, not to {', '.join(self.precisions)}; add {{int8}}")
        if self.target not in INT16_TARGETS:
            raise OptionError(
                f"16-bit activations would run on no accelerator with target {self.target}: XNNPACK, the GPU delegates "
                f"and NNAPI take no int16 convolution; use {{target}} {' or '.join(INT16_TARGETS)}"
            )
        if self.prelu != "auto":
            raise OptionError(
                f"16-bit activations have PReLU as MUL and MAXIMUM, not as {self.prelu}; leave {{prelu}} out"
            )
        if self.finetune:
            raise OptionError(
                f"16-bit activations are not fine-tuned, so {self.finetune} steps cannot be made; "
                "leave {finetune} out"
            )

    def _check_fixed_size(self) -> None:
        if not self.fixed_size:
            return
        if self.target != "cpu":
            raise OptionError(f"{{fixed_size}} makes files quicker on CPUs, not for target {self.target}; leave it out")
        odd = [f"{width}x{height}" for width, height in self.lr_sizes if width % 2 or height % 2]
        if odd:
            raise OptionError(
                f"{{fixed_size}} needs even sides, which {odd[0]} has not; give another size, or leave it out"
            )

    @property
    def file_precisions(self) -> tuple[str, ...]:
        """The precisions as files and recipes name them: int8 with 16-bit activations is "int16x8"."""
        return tuple("int16x8" if (name, self.activations) == ("int8", 16) else name for name in self.precisions)

    @property
    def lr_sizes(self) -> tuple[Size, ...]:
        """Each of `sizes` once, as (width, height), in the order given."""
        return resolutions.parse_all(self.sizes)

    @property
    def npu_socs(self) -> tuple[str, ...]:
        """The SoCs that `npu` names; empty where it is None."""
        return socs.parse_socs(self.npu) if self.npu else ()


def check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    """Check the value of an option.

    Raises:
        UsageError: the value is not one of the choices.
    """
    if value not in choices:
        raise UsageError(f"{option} {value!r} is not known; use one of {', '.join(choices)}")
