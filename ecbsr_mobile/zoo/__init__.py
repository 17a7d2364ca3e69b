"""The bundled models and images; nothing heavy is imported here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import EcbsrError, UsageError
from ..utils.text import did_you_mean

FOLDER = Path(__file__).parent
FIGURES = FOLDER / "figures.json"
TIMES = FOLDER / "front_zen4.json"
DEFAULT = "ecbsr-m4c16-x2"
"""The default model of the commands."""

LOSS_SET = "Set14"
"""The data set of the one int8 loss that tables show."""

REAL = "-real"
"""Part of the names of models that were trained for compressed pictures."""

FREE = "-free"
"""Part of the names of models that were trained only on pictures whose terms allow commercial use."""

RECOMMENDED = {
    "cpu": ("ecbsr-m6c16-leaky-x2", "ecbsr-m6c16-relu-x4"),
    **dict.fromkeys(("gpu", "nnapi", "npu"), (DEFAULT, "ecbsr-m4c16-x4")),
}
"""The recommended models of each target, for x2 and x4.

For CPUs: the highest int8 PSNR in the time that `ecbsr-m4c16` takes (`benchmarks/front.py`).
"""


def names() -> tuple[str, ...]:
    """The names of the bundled models, such as `ecbsr-m4c16-x2`."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.safetensors")))


def tflite_names() -> tuple[str, ...]:
    """The names of the bundled `.tflite` files for CPUs, such as `ecbsr-m4c16-x2-int8`."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.tflite")))


def recommended() -> tuple[str, ...]:
    """The names of the models that are recommended for any target."""
    return tuple(sorted({name for names in RECOMMENDED.values() for name in names}))


def for_real_pictures() -> dict[str, str]:
    """Bundled model for compressed pictures → the one of the same network for clean pictures."""
    return {name: clean_name(name) for name in names() if REAL in name}


def clean_name(name: str) -> str:
    """The name of the model of the same network for clean pictures; its own if it is that one."""
    return name.replace(REAL, "")


def of_same_network(name: str) -> str:
    """The name of the model of the same network that was trained on all clean pictures; its own if it is that one."""
    return clean_name(name).replace(FREE, "")


def figures() -> dict[str, Any]:
    """The measured figures of each bundled model, by name; `benchmarks/zoo_check.py` writes and describes them."""
    document: dict[str, Any] = json.loads(FIGURES.read_text())
    return {name: model for name, model in document.items() if name != "schema"}


def times() -> dict[str, Any]:
    """The measured times, as `benchmarks/front.py` writes them.

    `machine` and `size` say where; `times` maps the name of a model to the time of its int8 file over the fp32 file of
    `ecbsr-m4c16` of the same scale, and the limits of its 95 % interval.
    """
    document: dict[str, Any] = json.loads(TIMES.read_text())
    return document


def weights(name: str) -> Path:
    """The `.safetensors` file of a bundled model.

    Raises:
        UsageError: there is no such model.
    """
    return _existing(name, FOLDER / f"{name}.safetensors")


def tflite(name: str, precision: str = "int8") -> Path:
    """The `.tflite` file of a bundled model for CPUs, in `int8` or `fp32`.

    Raises:
        UsageError: there is no such model.
        EcbsrError: it has no such file.
    """
    return _existing(name, FOLDER / f"{name}-{precision}.tflite")


def bundled_tflite(name: str, precision: str = "fp32") -> Path | None:
    """The `.tflite` file that a bundled name stands for: `NAME-int8`, `NAME-fp32`, or NAME in `precision`.

    None for another name, and where there is a file of that name, which is meant then.
    """
    if Path(name).exists():
        return None
    if name in names():
        return tflite(name, precision)
    return FOLDER / f"{name}.tflite" if name in tflite_names() else None


def pictures() -> list[Path]:
    """The bundled images, for calibration and demonstration; `pictures/README.md` lists their sources."""
    return sorted((FOLDER / "pictures").glob("*.png"))


def drawings() -> list[Path]:
    """The bundled drawings, which int8 is calibrated on besides `pictures`; see `drawings/README.md`."""
    return sorted((FOLDER / "drawings").glob("*.png"))


def _existing(name: str, path: Path) -> Path:
    if name not in names():
        raise UsageError(unknown(name))
    if not path.exists():
        raise EcbsrError(f"{path}: is missing; write it: make zoo MODELS={name}")
    return path


def unknown(name: str) -> str:
    """What to say of a name that no bundled model has."""
    available = ", ".join(names()) or "none"
    return f"no bundled model is named {name!r}; available: {available}{did_you_mean(name, names())}"
