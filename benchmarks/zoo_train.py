"""Train bundled models as they were trained: the stages of a model's recipe, one after the other.

    make zoo-train MODEL=ecbsr-m4c16-x2 DATA=IMAGES OUT=build/zoo-train

IMAGES is a folder with the images of all data sets, see `training_folders.py`. The recipes are in
`ecbsr_mobile/zoo/recipes.toml`. With several GPUs, `torchrun` divides each batch among them. An interrupted training
continues when the command is repeated. `--plus-seed 1` adds 1 to the seed of every stage, for the spread of results.

Several models (`MODEL="ecbsr-m4c16-x2 ecbsr-m4c16-x4"`) are trained beside each other, in a process each, because a
small network leaves most of a GPU idle. On one GPU, start NVIDIA's MPS first (`nvidia-cuda-mps-control -d`).
`ARGS="--minutes 12 --float"` takes as many steps as fit into the time, and leaves int8 for later.

Writes OUT/MODEL.safetensors, and a folder for each stage; of several models, OUT/MODEL.log. Prints, for each stage, the
validation PSNR and that of the bundled weights.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
import tomllib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import training_folders

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common, train
from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.utils.files import atomic_write
from ecbsr_mobile.utils.subprocess_runner import started
from ecbsr_mobile.utils.text import did_you_mean

RECIPES = zoo.FOLDER / "recipes.toml"


@dataclass(frozen=True)
class Stage:
    """A run of ecbsr-train, from the best weights of the stage before.

    `pictures` is a mix of `training_folders`. `step` and `val` are those of the bundled weights: the step with the
    highest validation PSNR, and that PSNR in dB; None if nobody has trained them. A first stage may start from a
    bundled model (`--from`).
    """

    stage: str
    pictures: str
    options: str
    seed: int
    step: int | None = None
    val: float | None = None

    @property
    def steps(self) -> int:
        """The steps of the stage."""
        options = shlex.split(self.options)
        return int(options[options.index("--steps") + 1])

    def arguments(self, plus_seed: int, length: str | None = None) -> list[str]:
        """The options of ecbsr-train, without folders; `length` replaces the option for the steps."""
        options = self.options if length is None else self.options.replace(f"--steps {self.steps}", length)
        return [*shlex.split(options), "--seed", str(self.seed + plus_seed)]


def recipes() -> dict[str, list[Stage]]:
    """The stages of each model, by name."""
    document = tomllib.loads(RECIPES.read_text())
    return {name: [Stage(**stage) for stage in stages] for name, stages in document.items()}


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    known = recipes()
    for model in options.models:
        if model not in known:
            hint = did_you_mean(model, known)
            raise UsageError(f"there is no recipe for {model!r}; use one of {', '.join(known)}{hint}")
    stages = {model: [s for s in known[model] if not (options.float and "int8" in s.stage)] for model in options.models}
    for kind in {stage.pictures for each in stages.values() for stage in each}:
        _make_pictures(options.data, options.out / kind, kind)
    if len(stages) == 1:
        ((model, its_stages),) = stages.items()
        _train_stages(f"{model}+{options.plus_seed}" if options.plus_seed else model, its_stages, options)
    else:
        _train_beside_each_other(list(stages), options)


def _train_stages(name: str, stages: Sequence[Stage], options: argparse.Namespace) -> None:
    best: Path | None = None
    all_steps = sum(stage.steps for stage in stages)
    for stage in stages:
        pictures, out = options.out / stage.pictures, options.out / name / stage.stage.replace(" ", "-")
        resume = (out / "last.ckpt").exists()
        length = "" if resume else None  # a resumed run keeps its steps
        if options.minutes is not None:
            length = f"--minutes {options.minutes * stage.steps / all_steps:.4g}"
        arguments = ["--data", f"{pictures}/train", "--val", f"{pictures}/val", "--out", str(out)]
        arguments += [*stage.arguments(options.plus_seed, length), *shlex.split(options.options)]
        arguments += ["--from", str(best)] if best else []
        arguments += ["--resume"] if resume else []
        _train(arguments, options.processes)
        best = out / "best.safetensors"
        psnr = json.loads((out / "log.jsonl").read_text().splitlines()[-1])["best_psnr"]
        bundled = f", bundled {stage.val:.3f} dB" if stage.val else ""
        print(f"{name}, stage {stage.stage}: {psnr:.3f} dB{bundled}", flush=True)
    assert best
    with atomic_write(options.out / f"{name}.safetensors") as temporary:
        shutil.copyfile(best, temporary)


def _train_beside_each_other(models: Sequence[str], options: argparse.Namespace) -> None:
    """Run this script for each model at once.

    Raises:
        EcbsrError: a training failed; its log says why.
    """
    arguments = ["--data", str(options.data), "--out", str(options.out), f"--options={options.options}"]
    arguments += ["--plus-seed", str(options.plus_seed), "--processes", str(options.processes)]
    arguments += [] if options.minutes is None else ["--minutes", str(options.minutes)]
    arguments += ["--float"] if options.float else []
    with ExitStack() as stack:
        running = {}
        for model in models:
            log = stack.enter_context((options.out / f"{model}.log").open("wb"))
            command = [sys.executable, __file__, model, *arguments]
            running[model] = stack.enter_context(started(command, stdout=log.fileno(), stderr=log.fileno()))
        failed = [model for model, process in running.items() if process.wait()]
    if failed:
        raise EcbsrError(f"{', '.join(failed)}: failed; see {options.out / failed[0]}.log, then repeat the command")


def _make_pictures(images: Path, folder: Path, kind: str) -> None:
    if folder.exists():
        return
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    training_folders.main([str(images), str(partial), "--mix", kind])
    partial.rename(folder)


def _train(arguments: Sequence[str], processes: int) -> None:
    """Run ecbsr-train here, or in several processes, one for each GPU where there are several.

    Raises:
        EcbsrError: another process failed; its message says why.
    """
    import torch

    processes = processes or max(1, torch.cuda.device_count())
    if processes == 1:
        train.main(list(arguments))
        return
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    try:
        torchrun(["--standalone", "--nproc-per-node", str(processes), "--module", "ecbsr_mobile", "train", *arguments])
    except ChildFailedError:
        raise EcbsrError("a process of the training ended; see its message, then repeat the command") from None


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("zoo_train.py", __doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="MODEL", help="models of recipes.toml, such as ecbsr-m4c16-x2")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the images of all data sets")
    parser.add_argument("--out", type=Path, default=Path("build/zoo-train"), metavar="DIR",
                        help="folder for the weights and the runs (%(default)s)")  # fmt: skip
    parser.add_argument("--plus-seed", type=int, default=0, metavar="N", help="added to each seed of the recipe (0)")
    parser.add_argument("--minutes", type=float, metavar="M", help="take as many steps as fit into this time, in all")
    parser.add_argument("--float", action="store_true", help="leave out the stages of int8")
    parser.add_argument("--processes", type=int, default=0, metavar="N", help="processes (one for each GPU)")
    parser.add_argument("--options", default="", metavar="TEXT",
                        help="more options of ecbsr-train, which change those of each stage")  # fmt: skip
    return parser


if __name__ == "__main__":
    common.run(main)
