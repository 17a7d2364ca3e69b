"""What the base dependencies of setup.cfg alone do: every command but export and training, without PyTorch."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from ecbsr_mobile import Picture, images, load, upscale, zoo
from ecbsr_mobile.upscaling import TorchModel, open_model
from tests.helpers.commands import environment
from tests.helpers.paths import ROOT

ONLY = """
import sys
class Only:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{top!r}}", name=top)
sys.meta_path.insert(0, Only())
"""


def base_distributions() -> set[str]:
    """The distributions that the base dependencies bring, with theirs, by their normalized names."""
    from packaging.requirements import Requirement

    parsed = configparser.ConfigParser()
    parsed.read(ROOT / "setup.cfg")
    waiting = [Requirement(line) for line in parsed["options"]["install_requires"].split("\n") if line]
    found: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        name = re.sub("[-_.]+", "-", requirement.name).lower()
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        waiting += map(Requirement, metadata.requires(name) or ())
    return found


def run_in_the_base_install(*calls: tuple[str, list[str]], then: str = "") -> list[str]:
    """Run commands in a process in which only the base dependencies can be imported; the lines that it prints."""
    base = base_distributions()
    absent = sorted(
        module
        for module, names in metadata.packages_distributions().items()
        if not {re.sub("[-_.]+", "-", name).lower() for name in names} & {*base, "ecbsr-mobile", "setuptools", "pip"}
    )
    assert {"torch", "tensorflow", "onnx", "matplotlib"} & set(absent) or "torch" not in sys.modules
    lines = [ONLY.format(absent=absent), "from importlib import import_module"]
    lines += [f"assert import_module({module!r}).main({arguments!r}) == 0" for module, arguments in calls]
    lines.append(then)
    result = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, env=environment())
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("in") / "cat.png"
    cat = next(path for path in zoo.pictures() if path.stem == "chelsea")
    images.write(Picture(images.read(cat).rgb()[60:120, 80:160]), path)
    return path


def test_upscaling_evaluation_audit_and_the_list_need_no_more(picture: Path, tmp_path: Path) -> None:
    run_in_the_base_install(
        ("ecbsr_mobile.cli.upscale", [str(picture), "-o", str(tmp_path / "fp32.png")]),
        (
            "ecbsr_mobile.cli.upscale",
            [str(picture), "-o", str(tmp_path / "int8.jpg"), "--model", f"{zoo.DEFAULT}-int8"],
        ),
        ("ecbsr_mobile.cli.evaluate", ["--data", str(picture.parent), "--json"]),
        ("export.cli.audit", [str(zoo.tflite(zoo.DEFAULT))]),
        ("ecbsr_mobile.cli.models", []),
        ("ecbsr_mobile.cli.completion", ["bash"]),
        then="assert not {'torch', 'tensorflow', 'onnx2tf', 'onnx', 'onnxruntime'} & set(sys.modules)",
    )
    assert images.read(tmp_path / "fp32.png").size == images.read(tmp_path / "int8.jpg").size == (160, 120)


@pytest.mark.slow
def test_a_benchmark_needs_no_more(tmp_path: Path) -> None:
    arguments = [str(zoo.tflite(zoo.DEFAULT)), "--size", "24x16", "--rounds", "1", "--runs", "1", "--json"]
    lines = run_in_the_base_install(("android_bench.cli", arguments))
    assert json.loads("\n".join(lines))["results"][0]["status"] == "ok"


@pytest.mark.parametrize("extra", ["", "-fp32", "-int8"])
def test_a_bundled_name_is_its_tflite(picture: Path, extra: str) -> None:
    model = open_model(f"{zoo.DEFAULT}{extra}")
    assert model.name == f"{zoo.DEFAULT}{extra or '-fp32'}"
    cat = images.read(picture)
    expected = upscale(cat, zoo.tflite(zoo.DEFAULT, extra.removeprefix("-") or "fp32"))
    assert np.array_equal(upscale(cat, model).pixels, expected.pixels)


@pytest.mark.slow
def test_fp32_of_litert_is_the_network_of_the_weights(picture: Path) -> None:
    cat = images.read(picture)
    with_torch = upscale(cat, TorchModel(load(zoo.DEFAULT))).pixels.astype(int)
    assert np.abs(upscale(cat, zoo.DEFAULT).pixels.astype(int) - with_torch).max() <= 1
