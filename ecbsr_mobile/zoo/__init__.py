"""The models and pictures that come with the package; nothing heavy is imported here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import UsageError

FOLDER = Path(__file__).parent
FIGURES = FOLDER / "figures.json"
DEFAULT = "ecbsr-m4c16-x2"
"""The model that commands use when none is named."""

RECOMMENDED = {
    "cpu": ("ecbsr-m6c16-leaky-x2", "ecbsr-m6c16-relu-x4"),
    **dict.fromkeys(("gpu", "nnapi", "npu"), (DEFAULT, "ecbsr-m4c16-x4")),
}
"""For each target, the model of each scale to take where nothing else decides.

CPUs take the one that gives the most PSNR in int8 in the time of `ecbsr-m4c16` (`benchmarks/front.py`).
"""


def names() -> tuple[str, ...]:
    """The bundled models, such as `ecbsr-m4c16-x2`."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.safetensors")))


def recommended() -> tuple[str, ...]:
    """The bundled models that are recommended for some target."""
    return tuple(sorted({name for names in RECOMMENDED.values() for name in names}))


def figures() -> dict[str, Any]:
    """The measured figures of each bundled model, by name: see `benchmarks/zoo_check.py`, which writes them."""
    document: dict[str, Any] = json.loads(FIGURES.read_text())
    return {name: model for name, model in document.items() if name != "schema"}


def weights(name: str) -> Path:
    """The `.safetensors` file of a bundled model."""
    return _existing(name, FOLDER / f"{name}.safetensors")


def tflite(name: str, precision: str = "int8") -> Path:
    """The `.tflite` file of a bundled model, `int8` or `fp32`, made for CPUs."""
    return _existing(name, FOLDER / f"{name}-{precision}.tflite")


def pictures() -> list[Path]:
    """The bundled pictures, for calibration and demonstration; `pictures/README.md` has their sources."""
    return sorted((FOLDER / "pictures").glob("*.png"))


def _existing(name: str, path: Path) -> Path:
    if not path.exists():
        raise UsageError(f"no bundled model is called {name!r}; there are {', '.join(names()) or 'none'}")
    return path
