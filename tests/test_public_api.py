"""The names that each package lists: all of them can be imported, and none brings more along than it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import android_bench
import ecbsr_mobile
import export
from tests.helpers.commands import HEAVY, environment

PACKAGES = {package.__name__: package for package in (ecbsr_mobile, export, android_bench)}

# The schema of `.tflite` files and msgspec load in hundredths of a second.
COSTLY = {*HEAVY, "ai_edge_litert.interpreter", "PIL"} - {"ai_edge_litert", "msgspec"}
# The networks are PyTorch modules, and these names work on them.
WITH_TORCH = {"ECBSR", "PlainNet", "load", "save", "train"}
NAMES = [
    pytest.param(package, name, marks=[pytest.mark.slow] if name in WITH_TORCH else [])
    for package in PACKAGES
    for name in PACKAGES[package].__all__
]


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_a_public_name_imports_nothing_heavy(package: str, name: str) -> None:
    code = f"from {package} import {name}\nimport sys\nprint(*sorted({COSTLY!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert result.stdout.split() == (["torch"] if name in WITH_TORCH else [])


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_alone_imports_nothing_but_the_lazy_loader(package: str) -> None:
    code = f"import {package}, sys\nprint(*sorted({COSTLY | {'msgspec', 'numpy'}!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert result.stdout.split() == []


@pytest.mark.parametrize("package", PACKAGES)
def test_dir_lists_the_public_names(package: str) -> None:
    module = PACKAGES[package]
    assert set(module.__all__) <= set(dir(module))
    assert all(getattr(module, name) is not None for name in module.__all__)


def test_the_names_that_the_readme_uses_are_public() -> None:
    assert {"load", "save", "upscale", "evaluate", "train", "ECBSR", "PlainNet"} <= set(ecbsr_mobile.__all__)
    assert {"export", "read", "write", "at_size"} <= set(export.__all__)
    assert {"bench", "resume", "compare", "phones", "html"} <= set(android_bench.__all__)
