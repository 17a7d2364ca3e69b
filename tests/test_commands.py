"""The command lines as a user meets them: help without heavy imports, results, sentences, exit codes."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ecbsr_mobile import Picture, __version__, images, load, zoo
from tests.helpers.commands import COMMANDS, HEAVY, argv, call, environment, refused
from tests.helpers.paths import ROOT


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("option", "shown"), [("--help", "usage: {}"), ("--version", "{} " + __version__)])
def test_help_and_version_import_nothing_heavy(command: str, option: str, shown: str) -> None:
    module, _ = COMMANDS[command].split(":")
    code = (
        f"import sys\nfrom {module} import main\ntry:\n    main([{option!r}])\nexcept SystemExit as e:\n"
        f"    heavy = sorted(set({HEAVY!r}) & set(sys.modules))\n"
        "    print('HEAVY', heavy, e.code)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert result.stdout.rstrip().endswith("HEAVY [] 0")
    assert result.stdout.startswith(shown.format(command))


@pytest.mark.parametrize("command", COMMANDS)
def test_misuse(command: str) -> None:
    refused(call(command, "--no-such-option"), 2, command, "error: ")


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("in") / "picture 1.png"
    cat = next(path for path in zoo.pictures() if path.stem == "chelsea")
    images.write(Picture(images.read(cat).rgb()[60:120, 80:160]), path)
    return path


def test_upscale_a_picture_and_a_folder(picture: Path, tmp_path: Path) -> None:
    result = call("ecbsr-upscale", picture, tmp_path / "out.png")
    assert result.returncode == 0, result.stderr
    assert images.read(tmp_path / "out.png").size == (160, 120)
    (picture.parent / "broken.png").write_bytes(b"x")
    result = call("ecbsr-upscale", picture.parent, tmp_path / "folder", "--json", "--model", "ecbsr-m4c16-x4")
    (picture.parent / "broken.png").unlink()
    assert result.returncode == 1
    told = json.loads(result.stdout)
    assert [entry["to"] for entry in told["pictures"]] == [[320, 240]]
    assert "broken.png" in told["failed"][0]
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["picture 1.png"]


def test_upscale_refusals(picture: Path, tmp_path: Path) -> None:
    refused(call("ecbsr-upscale", tmp_path / "none.png", tmp_path / "o.png"), 1, "none.png", "No such file")
    refused(call("ecbsr-upscale", picture, tmp_path / "o.xyz"), 2, ".xyz")
    refused(call("ecbsr-upscale", picture, tmp_path / "o.png", "--model", "nothing"), 1, "nothing", "ecbsr-m4c16-x2")
    refused(call("ecbsr-upscale", picture, tmp_path / "o.png", "--model", picture), 1, "not a weights file")
    refused(call("ecbsr-upscale", picture.parent, picture), 2, "is a file")
    refused(call("ecbsr-upscale", picture, picture / "o.png"), 1, "cannot write")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(picture: Path, tmp_path: Path) -> None:
    def small_files_only() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    result = call("ecbsr-upscale", picture, tmp_path / "o.png", preexec_fn=small_files_only)
    refused(result, 1, "cannot write")
    assert list(tmp_path.iterdir()) == []


def test_eval(picture: Path) -> None:
    result = call("ecbsr-eval", "--data", picture.parent, "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["model"] == zoo.DEFAULT
    (scores,) = told["sets"]
    assert scores["psnr"] > scores["bicubic_psnr"] > 20
    assert scores["pictures"] == len(scores["each"]) == 1
    table = call("ecbsr-eval", "--data", picture.parent, picture.parent, "--each").stdout
    assert table.count(f"{scores['psnr']:.2f}") == 4
    refused(call("ecbsr-eval", "--data", "/nowhere"), 1, "/nowhere: no such folder")


def training(picture: Path, out: Path, *more: object) -> list[object]:
    """The arguments of a run of small steps."""
    small = ["--patch", "8", "--batch", "4", "--blocks", "1", "--channels", "4"]
    small += ["--threads", "1", "--device", "cpu", "--json"]
    return ["--data", picture.parent, "--val", picture.parent, "--out", out, *small, *more]


def stopped(arguments: list[str], out: Path) -> tuple[int, str, str]:
    """Exit code and output of a training that gets SIGTERM behind its first validation."""
    process = subprocess.Popen(
        arguments, env=environment(), stderr=subprocess.PIPE, text=True, stdout=subprocess.PIPE
    )  # fmt: skip
    while not (out / "last.ckpt").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    told, said = process.communicate(timeout=120)
    assert "last.ckpt contains the training so far; to continue, add --resume to the command" in said
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    return process.returncode, told, said


def test_train_is_interrupted_and_goes_on(picture: Path, tmp_path: Path) -> None:
    """Wherever in a step the signal comes, the resumed run ends as one that was never interrupted."""
    import torch

    options = ["--steps", "600", "--validate-every", "100"]
    cut, whole = (training(picture, tmp_path / name, *options) for name in ("cut", "whole"))
    code, told, said = stopped(argv("ecbsr-train", *cut), tmp_path / "cut")
    assert (code, told) == (128 + signal.SIGTERM, "")
    assert "Traceback" not in said
    reached = torch.load(tmp_path / "cut" / "last.ckpt", weights_only=True)["step"]
    assert 100 <= reached < 600
    refused(call("ecbsr-train", *cut), 1, "--resume")
    reports = [json.loads(call("ecbsr-train", *run).stdout) for run in ([*cut, "--resume"], whole)]
    for report in reports:
        del report["seconds_left"], report["weights"]
    assert reports[0] == reports[1]
    states = [torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("cut", "whole")]
    for part in ("net", "ema", "optimizer"):
        torch.testing.assert_close(states[0][part], states[1][part], rtol=0, atol=0)


def torchrun(count: int, command: list[str]) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    return [*launcher, "--no-python", *command]


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_batch_of_both(picture: Path, tmp_path: Path) -> None:
    """Over gloo, on the loopback: the weights that come out, the log, and one result on standard output."""
    import torch

    options = ["--steps", "12", "--validate-every", "6", "--ema-decay", "0.5"]
    one = call("ecbsr-train", *training(picture, tmp_path / "one", *options))
    arguments = torchrun(2, argv("ecbsr-train", *training(picture, tmp_path / "two", *options)))
    two = subprocess.run(arguments, capture_output=True, text=True, env=environment())
    assert two.returncode == 0, two.stderr
    assert json.loads(two.stdout)["step"] == json.loads(one.stdout)["step"] == 12
    # The plain networks: of what cancels in them (a bias in front of an edge filter), gradients are rounding errors.
    nets = [load(tmp_path / name / "best.safetensors").state_dict() for name in ("one", "two")]
    torch.testing.assert_close(nets[0], nets[1], rtol=0, atol=1e-6)
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("one", "two")]
    for lines in zip(*logs, strict=True):
        alone, together = map(json.loads, lines)
        for name in ("loss", "psnr", "best_psnr"):
            assert together[name] == pytest.approx(alone[name], rel=1e-4)


@pytest.mark.slow
def test_no_thread_of_a_group_outlives_it(picture: Path, tmp_path: Path) -> None:
    """One that does can want the interpreter while that ends, and aborts it: now and then."""
    code = """
import os, sys
from ecbsr_mobile.cli.train import main
main(sys.argv[1:])
print(sorted(open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")))
"""
    options = training(picture, tmp_path / "out", "--steps", "2")
    command = [sys.executable, "-c", code, *map(str, options)]
    done = subprocess.run(torchrun(2, command), capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("['") == 2
    assert "gloo" not in done.stdout


@pytest.mark.slow
def test_two_processes_stop_at_the_same_step(picture: Path, tmp_path: Path) -> None:
    import torch

    options = training(picture, tmp_path, "--steps", "1000000", "--validate-every", "20")
    code, told, said = stopped(torchrun(2, argv("ecbsr-train", *options)), tmp_path)
    assert (code != 0, told) == (True, "")
    assert said.count("ecbsr-train: interrupted by SIGTERM") == 2
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["step"] >= 20


def test_a_closed_pipe_is_quiet(picture: Path) -> None:
    reader = subprocess.Popen(["head", "-c", "0"], stdin=subprocess.PIPE)
    assert reader.stdin
    reader.wait()
    result = subprocess.run(
        argv("ecbsr-eval", "--data", picture.parent),
        stdout=reader.stdin,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert "Traceback" not in result.stderr


def test_a_missing_extra_is_named(picture: Path, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    env = environment() | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    result = subprocess.run(argv("ecbsr-eval", "--data", picture.parent), capture_output=True, text=True, env=env)
    refused(result, 1, "ecbsr-mobile[train]")


def test_importing_the_package_is_light() -> None:
    code = f"import sys, ecbsr_mobile, ecbsr_mobile.zoo; print(sorted({{*{HEAVY!r}, 'numpy'}} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert result.stdout.strip() == "[]"


def test_bundled_pictures_fit_every_scale() -> None:
    for path in zoo.pictures():
        width, height = images.read(path).size
        assert (width % 12, height % 12) == (0, 0)
    assert sum(path.stat().st_size for path in zoo.FOLDER.rglob("*") if path.is_file()) <= 5_000_000
    assert np.mean([images.read(path).pixels.shape[2] == 3 for path in zoo.pictures()]) >= 0.5


def test_list_names_every_bundled_model() -> None:
    told = json.loads(call("ecbsr-export", "--list", "--json").stdout)
    assert set(told["models"]) == set(zoo.names())
    assert {name for names in told["recommended"].values() for name in names} <= set(zoo.names())
    shown = call("ecbsr-export", "--list").stdout
    for name, model in told["models"].items():
        assert model["parameters"] == load(name).parameters_count
        assert name in shown
