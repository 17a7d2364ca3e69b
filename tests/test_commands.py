"""The command lines in processes of their own: help without heavy imports, results, error messages, exit codes."""

from __future__ import annotations

import json
import os
import pty
import resource
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from ecbsr_mobile import Picture, __version__, images, load, zoo
from tests.helpers.commands import COMMANDS, DEFECT, HEAVY, argv, call, call_here, environment, module, refused
from tests.helpers.paths import ROOT


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("option", "shown"), [("--help", "usage: {}"), ("--version", "{} " + __version__)])
def test_help_and_version_import_nothing_heavy(command: str, option: str, shown: str) -> None:
    code = (
        f"import sys\nfrom {module(command)} import main\ntry:\n    main([{option!r}])\nexcept SystemExit as e:\n"
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


INTERRUPT_AT_IMPORT = """
import os, signal, sys
class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupts())
"""


# The first is imported before the command begins, the others by it: NumPy turns an interrupt into an ImportError.
@pytest.mark.parametrize("name", ["ecbsr_mobile.cli.common", "numpy._core.multiarray", "torch.nn.functional"])
def test_an_interrupt_of_an_import_leaves_no_traceback(picture: Path, tmp_path: Path, name: str) -> None:
    before = INTERRUPT_AT_IMPORT.format(name=name)
    command = argv("ecbsr-upscale", picture, tmp_path / "out.png", "--model", zoo.weights(zoo.DEFAULT), before=before)
    result = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert result.returncode == 130
    assert result.stderr in ("", "ecbsr-upscale: interrupted by SIGINT\n")
    assert result.stdout == "" and not list(tmp_path.iterdir())


INTERRUPT_IN_A_FINALIZER = """
import gc, os, signal, sys
def interrupt(phase, info):
    frame, files = sys._getframe(), ""
    while frame:
        frame, files = frame.f_back, files + frame.f_code.co_filename
    if "upscale_jobs" in files and "importlib" not in files:
        gc.callbacks.remove(interrupt)
        os.kill(os.getpid(), signal.SIGTERM)
gc.callbacks.append(interrupt)
gc.set_threshold(1)
"""


def test_an_interrupt_in_a_finalizer_is_not_lost(picture: Path, tmp_path: Path) -> None:
    """Python drops what is raised there."""
    command = argv("ecbsr-upscale", picture, tmp_path / "out.png", before=INTERRUPT_IN_A_FINALIZER)
    result = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert (result.returncode, result.stderr) == (143, "ecbsr-upscale: interrupted by SIGTERM\n")
    assert result.stdout == "" and not list(tmp_path.iterdir())


@pytest.mark.slow
def test_upscale_a_picture_and_a_folder(picture: Path, tmp_path: Path) -> None:
    result = call("ecbsr-upscale", picture, tmp_path / "out.png")
    assert result.returncode == 0, result.stderr
    assert images.read(tmp_path / "out.png").size == (160, 120)
    (picture.parent / "broken.png").write_bytes(b"x")
    result = call_here("ecbsr-upscale", picture.parent, tmp_path / "folder", "--json", "--model", "ecbsr-m4c16-x4")
    (picture.parent / "broken.png").unlink()
    assert result.returncode == 1
    document = json.loads(result.stdout)
    assert [entry["to"] for entry in document["pictures"]] == [[320, 240]]
    assert "broken.png" in document["failed"][0]
    assert result.stderr.splitlines()[-2:] == ["1 image could not be used:", f"  {document['failed'][0]}"]
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["picture 1.png"]


@pytest.mark.slow
def test_no_file_and_no_process_is_left_open(picture: Path, tmp_path: Path) -> None:
    """Python's development mode tells of them at exit."""
    command = argv("ecbsr-upscale", picture, "-o", tmp_path / "o.png")
    env = environment() | {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "ignore,error::ResourceWarning"}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert (done.returncode, done.stderr) == (0, "")


def test_upscale_refusals(picture: Path, tmp_path: Path) -> None:
    refused(
        call_here("ecbsr-upscale", tmp_path / "none.png", tmp_path / "o.png"), 1, "none.png", "no such file or folder"
    )
    refused(call_here("ecbsr-upscale", picture, tmp_path / "o.xyz"), 2, ".xyz")
    refused(
        call_here("ecbsr-upscale", picture, tmp_path / "o.png", "--model", "nothing"),
        1,
        "nothing",
        "ecbsr models lists them",
    )
    refused(call_here("ecbsr-upscale", picture, tmp_path / "o.png", "--model", picture), 1, "not a weights file")
    refused(call_here("ecbsr-upscale", picture.parent, "-o", picture), 2, "is a file")
    refused(call_here("ecbsr-upscale", picture, picture / "o.png"), 1, "cannot write")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_upscale_a_photo_with_all_that_it_carries(picture: Path, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = 6, "maker"
    with Image.open(picture) as photo:
        photo.save(tmp_path / "photo.jpg", quality=95, exif=exif, icc_profile=profile)
        photo.convert("RGBA").save(tmp_path / "opaque.png", exif=exif)
        photo.save(tmp_path / "animation.gif", save_all=True, append_images=[photo.rotate(90)])
    result = call_here("ecbsr-upscale", tmp_path / "photo.jpg", tmp_path / "photo.png")
    assert (result.returncode, result.stderr) == (0, "")
    with Image.open(tmp_path / "photo.png") as larger:
        assert (larger.size, larger.info["icc_profile"]) == ((120, 160), profile)
        assert dict(larger.getexif()) == {ExifTags.Base.Orientation: 1, ExifTags.Base.Make: "maker"}
    assert call_here("ecbsr-upscale", tmp_path / "opaque.png", tmp_path / "opaque.jpg").returncode == 0
    assert images.read(tmp_path / "opaque.jpg").size == (120, 160)
    result = call_here("ecbsr-upscale", tmp_path / "animation.gif", tmp_path / "first.jpg")
    assert result.returncode == 0
    assert "animation.gif: contains 2 images (an animation, or pages); the first is used" in result.stderr
    result = call_here("ecbsr-upscale", tmp_path / "photo.jpg", tmp_path / "photo.bmp")
    assert "without the color profile and the EXIF" in result.stderr


def test_upscale_refuses_a_bomb_before_it_loads_anything(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    (tmp_path / "broken.tflite").write_bytes(b"x")
    result = call("ecbsr-upscale", tmp_path / "bomb.png", tmp_path / "o.png", "--model", tmp_path / "broken.tflite")
    refused(result, 1, "has 20000x20000 pixels, more than the limit of 200,000,000", "--max-pixels")
    refused(call_here("ecbsr-upscale", tmp_path / "bomb.png", tmp_path / "o.png", "--max-pixels", "1e9"), 2, "1e9")
    assert not (tmp_path / "o.png").exists()


@pytest.mark.slow
def test_nothing_is_written_over_unasked(picture: Path, tmp_path: Path) -> None:
    a, b, alias = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "alias.png"
    for path in (a, b):
        path.write_bytes(picture.read_bytes())
    alias.hardlink_to(a)
    for same in (a, alias, tmp_path / "." / "a.png"):
        refused(call_here("ecbsr-upscale", a, "-o", same, "--overwrite"), 2, "is the input")
    refused(call_here("ecbsr-upscale", tmp_path, "-o", tmp_path / ".", "--overwrite"), 2, "is the input folder")
    out = tmp_path / "out"
    out.mkdir()
    (out / "b.png").write_bytes(b"mine")
    refused(call_here("ecbsr-upscale", b, "-o", out), 2, "b.png exists", "--overwrite")
    assert [path.name for path in out.iterdir()] == ["b.png"]
    assert a.read_bytes() == b.read_bytes() == picture.read_bytes()
    assert call_here("ecbsr-upscale", a, "-o", b, "--overwrite").returncode == 0
    assert images.read(b).size == (160, 120)

    model = zoo.tflite("ecbsr-m4c16-x2")
    refused(call_here("ecbsr-audit", model, "--html", out / "b.png"), 2, "b.png exists")
    (out / "ecbsr-m4c16-x2-fp32-480x270.tflite").write_bytes(b"mine")
    refused(call_here("ecbsr-export", "--fp32", "--out", out), 2, "480x270.tflite exists", "--overwrite")
    (out / "results.csv").write_bytes(b"mine")
    refused(call_here("ecbsr-bench", model, "--size", "32x24", "--out", out), 2, "results.csv exists")
    (out / "best.safetensors").write_bytes(b"mine")
    refused(call_here("ecbsr-train", *training(picture, out)), 2, "best.safetensors exists")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == dict.fromkeys(
        ("b.png", "ecbsr-m4c16-x2-fp32-480x270.tflite", "results.csv", "best.safetensors"), b"mine"
    )


def test_a_page_is_written_to_a_device(tmp_path: Path) -> None:
    device, terminal = os.openpty()
    read: list[bytes] = []

    def drain() -> None:
        while b"</html>" not in b"".join(read):
            read.append(os.read(device, 65536))

    reader = threading.Thread(target=drain)
    reader.start()
    result = call_here("ecbsr-audit", zoo.tflite("ecbsr-m4c16-x2"), "--html", os.ttyname(terminal))
    reader.join()
    assert result.returncode == 0, result.stderr
    assert Path(os.ttyname(terminal)).is_char_device()


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.slow
def test_closed_streams_are_the_null_device(picture: Path, tmp_path: Path, closed: str) -> None:
    line = shlex.join(argv("ecbsr-upscale", picture, tmp_path / "o.png"))
    result = subprocess.run(["sh", "-c", f"{line} {closed}"], capture_output=True, text=True, env=environment())
    assert (result.returncode, result.stderr) == (0, "")
    assert images.read(tmp_path / "o.png").size == (160, 120)
    missing = shlex.join(argv("ecbsr-upscale", tmp_path / "none.png", tmp_path / "o2.png"))
    result = subprocess.run(["sh", "-c", f"{missing} {closed}"], capture_output=True, text=True, env=environment())
    assert result.returncode == 1
    assert not DEFECT.search(result.stderr)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
@pytest.mark.parametrize(("full", "code"), [(">/dev/full", 1), ("2>/dev/full", 0)])
@pytest.mark.slow
def test_output_to_a_full_disk_ends_without_a_traceback(tmp_path: Path, full: str, code: int) -> None:
    for name, arguments in (("ecbsr", ("models",)), ("ecbsr-export", ("--version",)), ("ecbsr-export", ("--help",))):
        line = shlex.join(argv(name, *arguments))
        result = subprocess.run(["sh", "-c", f"{line} {full}"], capture_output=True, text=True, env=environment())
        assert result.returncode == code
        shown = " ".join([name, *arguments]) if name == "ecbsr" else name
        assert result.stderr in ("", f"{shown}: No space left on device\n")


@pytest.mark.slow
def test_a_full_disk_leaves_nothing(picture: Path, tmp_path: Path) -> None:
    def small_files_only() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    result = call("ecbsr-upscale", picture, tmp_path / "o.png", preexec_fn=small_files_only)
    refused(result, 1, "cannot write")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(("most", "name"), [(2000, "best.safetensors"), (90_000, "last.ckpt")])
def test_a_training_on_a_full_disk_ends_in_a_sentence(picture: Path, tmp_path: Path, most: int, name: str) -> None:
    def small_files_only() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    options = ("--steps", 2, "--blocks", 1, "--channels", 4, "--patch", 8, "--batch", 2, "--validate-every", 1)
    data = ("--data", picture.parent, "--val", picture.parent, "--device", "cpu", "--threads", 1)
    result = call("ecbsr-train", *data, "--out", tmp_path / "out", *options, preexec_fn=small_files_only)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"ecbsr-train: cannot write {tmp_path / 'out' / name}: ")
    assert not DEFECT.search(result.stderr) and not (tmp_path / "out" / name).exists()


@pytest.mark.slow
def test_eval(picture: Path) -> None:
    result = call("ecbsr-eval", "--data", picture.parent, "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["schema"], document["model"]) == (1, f"{zoo.DEFAULT}-fp32")
    (scores,) = document["sets"]
    assert scores["psnr"] > scores["bicubic_psnr"] > 20
    assert scores["pictures"] == len(scores["each"]) == 1
    table = call_here("ecbsr-eval", "--data", picture.parent, picture.parent, "--each").stdout
    assert table.count(f"{scores['psnr']:.2f}") == 4
    (picture.parent / "broken.png").write_bytes(b"x")
    partial = call_here("ecbsr-eval", "--data", picture.parent, "--json")
    (picture.parent / "broken.png").unlink()
    assert partial.returncode == 1
    assert json.loads(partial.stdout)["sets"] == document["sets"]
    assert partial.stderr.splitlines()[-2].startswith("1 image could not be used:")
    assert "broken.png" in partial.stderr.splitlines()[-1]
    refused(call_here("ecbsr-eval", "--data", "/nowhere"), 1, "/nowhere: no such folder")


def training(picture: Path, out: Path, *more: object) -> list[object]:
    """The arguments of a run with small steps."""
    small = ["--patch", "8", "--batch", "4", "--blocks", "1", "--channels", "4"]
    small += ["--threads", "1", "--device", "cpu", "--json"]
    return ["--data", picture.parent, "--val", picture.parent, "--out", out, *small, *more]


def terminated(arguments: list[str], out: Path) -> tuple[int, str, str]:
    """Exit code and output of a training that gets SIGTERM when it reports its first validation.

    It reads a line of standard input after each report, so that the signal arrives before the next step.
    """
    process = subprocess.Popen(
        arguments, env=environment(), bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr
    errors = b""
    while not errors.rpartition(b"\n")[2].startswith(b"step "):
        byte = process.stderr.read(1)
        assert byte, errors.decode()
        errors += byte
    process.send_signal(signal.SIGTERM)
    output, rest = process.communicate(b"\n", timeout=120)
    errors += rest
    assert b"last.ckpt contains the training so far; to continue, add --resume to the command" in errors
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    return process.returncode, output.decode(), errors.decode()


WAITING = """
import sys
from collections.abc import Iterator
from ecbsr_mobile.cli import common, train
notice = common.notice
def wait_after_a_report(message):
    notice(message)
    if message.startswith("step "):
        sys.stdin.readline()
common.notice = wait_after_a_report
sys.argv[0] = "ecbsr-train"
train.script()
"""


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in the processes of the commands: sums then have the same order."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_train_is_interrupted_and_resumed(picture: Path, tmp_path: Path) -> None:
    """The resumed run ends like one that was never interrupted."""
    import torch

    options = ["--steps", "60", "--validate-every", "20"]
    cut, whole = (training(picture, tmp_path / name, *options) for name in ("cut", "whole"))
    code, output, errors = terminated([sys.executable, "-c", WAITING, *map(str, cut)], tmp_path / "cut")
    assert (code, output) == (128 + signal.SIGTERM, "")
    assert not DEFECT.search(errors)
    assert torch.load(tmp_path / "cut" / "last.ckpt", weights_only=True)["step"] == 20
    refused(call_here("ecbsr-train", *cut), 2, "--resume")
    reports = [json.loads(call_here("ecbsr-train", *run).stdout) for run in ([*cut, "--resume"], whole)]
    for report in reports:
        del report["seconds_left"], report["weights"]
    assert reports[0] == reports[1]
    states = [torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("cut", "whole")]
    for part in ("net", "ema", "optimizer"):
        torch.testing.assert_close(states[0][part], states[1][part], rtol=0, atol=0)


@pytest.mark.slow
def test_a_training_whose_terminal_closes_saves_its_last_step(picture: Path, tmp_path: Path) -> None:
    import torch

    options = training(picture, tmp_path / "run", "--steps", "100000", "--validate-every", "20")
    its_terminal = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    device, terminal = pty.openpty()
    process = subprocess.Popen(
        argv("ecbsr-train", *options, before=its_terminal),
        env=environment(), stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    got = b""
    while b"step 40/" not in got:
        got += os.read(device, 65536)
    os.close(device)
    assert process.wait() == 128 + signal.SIGHUP
    assert torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["step"] >= 40
    assert not [path for path in (tmp_path / "run").iterdir() if path.name.startswith(".")]


def torchrun(count: int, command: list[str]) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    return [*launcher, "--no-python", *command]


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_two_processes_train_as_one_with_the_batch_of_both(picture: Path, tmp_path: Path) -> None:
    """Over gloo, on the loopback: compares the weights and the log; one of them prints the result."""
    import torch

    options = ["--steps", "12", "--validate-every", "6", "--ema-decay", "0.5"]
    one = call_here("ecbsr-train", *training(picture, tmp_path / "one", *options))
    arguments = torchrun(2, argv("ecbsr-train", *training(picture, tmp_path / "two", *options)))
    two = subprocess.run(arguments, capture_output=True, text=True, env=environment())
    assert two.returncode == 0, two.stderr
    assert json.loads(two.stdout)["step"] == json.loads(one.stdout)["step"] == 12
    # Of the collapsed networks: parameters that cancel in them, such as a bias before an edge filter, have gradients
    # that are only rounding errors.
    nets = [load(tmp_path / name / "best.safetensors").state_dict() for name in ("one", "two")]
    torch.testing.assert_close(nets[0], nets[1], rtol=0, atol=1e-6)
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("one", "two")]
    for lines in zip(*logs, strict=True):
        alone, together = map(json.loads, lines)
        for name in ("loss", "psnr", "best_psnr"):
            assert together[name] == pytest.approx(alone[name], rel=1e-4)


@pytest.mark.slow
def test_no_thread_of_a_group_outlives_it(picture: Path, tmp_path: Path) -> None:
    """Such a thread sometimes aborts the interpreter at its end."""
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
    code, output, errors = terminated(torchrun(2, argv("ecbsr-train", *options)), tmp_path)
    assert (code != 0, output) == (True, "")
    assert errors.count("ecbsr-train: interrupted by SIGTERM") == 2
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["step"] >= 20


@pytest.mark.slow
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
    assert not DEFECT.search(result.stderr)


def test_a_missing_extra_is_named(picture: Path, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    env = environment() | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    result = subprocess.run(
        argv("ecbsr-eval", zoo.weights(zoo.DEFAULT), "--data", picture.parent), capture_output=True, text=True, env=env
    )
    refused(result, 1, "ecbsr-mobile[train]")


def test_importing_the_package_is_light() -> None:
    code = f"import sys, ecbsr_mobile, ecbsr_mobile.zoo; print(sorted({{*{HEAVY!r}, 'numpy'}} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert result.stdout.strip() == "[]"


def test_bundled_pictures_fit_every_scale() -> None:
    for path in zoo.pictures():
        width, height = images.read(path).size
        assert (width % 12, height % 12) == (0, 0)
    assert sum(path.stat().st_size for path in zoo.FOLDER.rglob("*") if path.is_file()) <= 7_500_000
    assert np.mean([images.read(path).pixels.shape[2] == 3 for path in zoo.pictures()]) >= 0.5


def test_models_counts_the_parameters_of_every_bundled_model() -> None:
    document = json.loads(call("ecbsr", "models", "--json").stdout)
    assert set(document["models"]) == set(zoo.names())
    assert {name for names in document["recommended"].values() for name in names} <= set(zoo.names())
    for name, model in document["models"].items():
        assert model["parameters"] == load(name).parameters_count
