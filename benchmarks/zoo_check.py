"""Measure PSNR and SSIM of the bundled models and compare them with the committed figures.

    make zoo-check                  compare; exits with 1 if something differs
    make zoo-check WRITE=--write    update the figures and the tables
    make zoo-check MODELS="NAME"    only these models

The figures are in `ecbsr_mobile/zoo/figures.json`; the tables in `docs/models.md` and `ecbsr_mobile/zoo/README.md` are
generated from them. BSD100 and Urban100 are measured where DATA has them; `docs/models.md` says which files those are.
Prints the new table, and each difference on standard error. `--tables` writes the tables from the committed figures
without measuring.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.upscaling import Model
from ecbsr_mobile.utils.files import write_bytes
from ecbsr_mobile.utils.progress import bar

if TYPE_CHECKING:
    import numpy as np

    from ecbsr_mobile import TorchModel
    from ecbsr_mobile.dataset import Pair
    from ecbsr_mobile.evaluation import Score

Figures = dict[str, Any]
"""The figures of one model: `scale`, `colors`, `activation`, `parameters`, `gmacs_720p`, `sets`, and `compressed`.

`sets` maps a data set and a kind (`fp32`, `fp32 of 8-bit input`, `int8`, `bicubic`) to [PSNR in dB, SSIM]. `compressed`
maps a degradation of the LR images of `zoo.LOSS_SET` and a kind to the PSNR in dB, as `real_pictures.py` has it; only
models for real pictures have it, and those of the same network for clean ones.
"""

ROOT = Path(__file__).parent.parent
DOCUMENTS = (ROOT / "docs" / "models.md", zoo.FOLDER / "README.md")
BEGIN, END = "<!-- figures: make zoo-check -->", "<!-- end of figures -->"
COMPRESSED = ("jpeg:30", "jpeg:50", "jpeg:75", "jpeg:90")
TOLERANCE = 0.005  # dB: processors differ in the last bit of a convolution


class EightBitInput(Model):
    """A float model whose LR input is rounded to 8 bits, as that of an int8 model is."""

    def __init__(self, model: TorchModel) -> None:
        self.model, self.name, self.radius = model, model.name, model.radius
        self.scale, self.colors = model.scale, model.colors

    def run(self, image: np.ndarray) -> np.ndarray:
        """See `Model.run`."""
        import numpy as np

        return self.model.run(np.floor(image * np.float32(255) + np.float32(0.5)) / np.float32(255))


def mean_psnr(model: Model, folder: Path) -> float:
    """The mean PSNR of a model on a data set, on luma, in dB."""
    from ecbsr_mobile import evaluation

    mean, _ = evaluation.evaluate(model, folder)
    return mean.psnr


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    committed = zoo.figures()
    if options.tables:
        if options.models or options.write:
            raise UsageError("--tables writes all tables and measures nothing; leave out --models and --write")
        _write_tables(table(committed))
        return 0
    if zoo.LOSS_SET not in (folder.name for folder in options.data):
        raise UsageError(f"--data lacks {zoo.LOSS_SET}, which the tables need; add it")
    sets = {data_set for model in committed.values() for data_set in model["sets"]}
    if options.write and (missing := sets - {folder.name for folder in options.data}):
        raise UsageError(f"--data lacks {', '.join(sorted(missing))}, whose figures would be lost; see docs/models.md")
    chosen = {name: measure(name, options.data) for name in options.models or zoo.names()}
    measured = {name: committed[name] for name in zoo.names() if name in committed} | chosen
    print(table(chosen))
    messages = differences(measured, committed)
    if options.write:
        write_bytes(
            zoo.FIGURES,
            (json.dumps({"schema": common.SCHEMA, **dict(sorted(measured.items()))}, indent=1) + "\n").encode(),
        )
        _write_tables(table(measured))
    else:
        messages += outdated_tables(table(committed))
    print("\n".join(messages) or "no differences", file=sys.stderr)
    return 1 if messages and not options.write else 0  # what was written is no difference any more


def measure(name: str, folders: Sequence[Path]) -> Figures:
    """The figures of one bundled model on the data sets in `folders`."""
    from ecbsr_mobile import TfliteModel, TorchModel, load
    from ecbsr_mobile.dataset import pairs

    net = load(name)
    architecture = net.architecture
    scale = architecture.scale
    models: dict[str, Model] = {
        "fp32": TorchModel(net),
        "fp32 of 8-bit input": EightBitInput(TorchModel(net)),
        "int8": TfliteModel(zoo.tflite(name)),
    }
    sets: dict[str, Any] = {}
    for folder in folders:
        images = list(bar(list(pairs(folder, scale)), f"{name}, {folder.name}"))
        scores = _scores(models, images)
        sets[folder.name] = {kind: [round(score.psnr, 3), round(score.ssim, 4)] for kind, score in scores.items()}
        bicubic = scores["int8"]
        sets[folder.name]["bicubic"] = [round(bicubic.bicubic_psnr, 3), round(bicubic.bicubic_ssim, 4)]
    figures = {
        "scale": scale,
        "colors": architecture.colors,
        "activation": architecture.activation,
        "parameters": net.parameters_count,
        "gmacs_720p": round(architecture.multiplications * 1280 * 720 / scale**2 / 1e9, 2),
        "sets": sets,
    }
    pairs_of_models = zoo.for_real_pictures()
    if name in {*pairs_of_models, *pairs_of_models.values()}:
        figures["compressed"] = _compressed(models, next(f for f in folders if f.name == zoo.LOSS_SET))
    return figures


def _scores(models: dict[str, Model], images: Sequence[Pair]) -> dict[str, Score]:
    """The mean score of each model."""
    from ecbsr_mobile import evaluation

    return {
        kind: evaluation.mean(kind, [evaluation.score(model, pair) for pair in images])
        for kind, model in models.items()
    }


def _compressed(models: dict[str, Model], folder: Path) -> dict[str, dict[str, float]]:
    """The PSNR of each model and of bicubic on a data set, for each degradation of `COMPRESSED`."""
    from ecbsr_mobile import degradation
    from ecbsr_mobile.dataset import pairs

    clean = list(pairs(folder, models["fp32"].scale))
    result = {}
    for text in COMPRESSED:
        scores = _scores(models, degradation.degraded(clean, degradation.parse(text)))
        psnrs = {kind: score.psnr for kind, score in scores.items()} | {"bicubic": scores["fp32"].bicubic_psnr}
        result[text] = {kind: round(psnr, 3) for kind, psnr in psnrs.items()}
    return result


def table(figures: dict[str, Figures]) -> str:
    """The figures as a Markdown table, PSNR in dB / SSIM; bicubic first in each scale."""
    sets = list(next(iter(figures.values()))["sets"])
    columns = [f"{name}{suffix}" for name in sets for suffix in ("", ", int8")]
    header = ["model", "parameters", "GMACs", *columns, f"int8 loss, {zoo.LOSS_SET}"]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    by_scale_and_cost = sorted(figures.items(), key=lambda item: (item[1]["scale"], item[1]["gmacs_720p"], item[0]))
    scale = None
    for name, model in by_scale_and_cost:
        scores = model["sets"]
        if model["scale"] != scale:
            scale = model["scale"]
            cells = [cell for data_set in sets for cell in (_score(scores[data_set]["bicubic"]), "")]
            lines.append(f"| bicubic x{scale} | | | {' | '.join(cells)} | |")
        cells = [_score(scores[data_set][kind]) for data_set in sets for kind in ("fp32", "int8")]
        loss = scores[zoo.LOSS_SET]["fp32 of 8-bit input"][0] - scores[zoo.LOSS_SET]["int8"][0]
        cost = f"{model['parameters']:,} | {model['gmacs_720p']:.2f}"
        lines.append(f"| `{name}` | {cost} | {' | '.join(cells)} | {loss:.3f} dB |")
    return "\n".join(lines)


def differences(measured: dict[str, Figures], committed: dict[str, Figures]) -> list[str]:
    """One sentence for each model or PSNR in which the figures differ by more than `TOLERANCE`."""
    messages = []
    for name in sorted(measured.keys() | committed.keys()):
        if name not in committed:
            messages.append(f"{name}: has no committed figures")
            continue
        if name not in measured:
            messages.append(f"{name}: has committed figures but is not bundled")
            continue
        before = _psnrs(committed[name])
        for what, psnr in _psnrs(measured[name]).items():
            if what not in before or not abs(before[what] - psnr) <= TOLERANCE:
                messages.append(f"{name}, {what}: measured {psnr} dB, committed {before.get(what)}")
    return messages


def _psnrs(model: Figures) -> dict[str, float]:
    """Each PSNR of a model, by kind and data set."""
    clean = {f"{kind}, {name}": psnr for name, scores in model["sets"].items() for kind, (psnr, _) in scores.items()}
    compressed = model.get("compressed", {})
    return clean | {f"{kind}, {text}": psnr for text, psnrs in compressed.items() for kind, psnr in psnrs.items()}


def _score(psnr_and_ssim: Sequence[float]) -> str:
    return "{:.2f} / {:.4f}".format(*psnr_and_ssim)


def outdated_tables(text: str) -> list[str]:
    """One sentence for each document whose table is not `text`."""
    return [
        f"{path.relative_to(ROOT)}: its table differs from {zoo.FIGURES.name}; run with --tables"
        for path in DOCUMENTS
        if _parts(path)[1].strip() != text
    ]


def _write_tables(text: str) -> None:
    for path in DOCUMENTS:
        before, _, after = _parts(path)
        write_bytes(path, f"{before}{BEGIN}\n{text}\n{END}{after}".encode())


def _parts(path: Path) -> tuple[str, str, str]:
    """The text of a document before its table, the table, and the text after it."""
    before, begin, rest = path.read_text().partition(BEGIN)
    text, end, after = rest.partition(END)
    if not begin or not end:
        raise EcbsrError(f"{path}: has no table between {BEGIN!r} and {END!r}")
    return before, text, after


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("zoo_check.py", __doc__.splitlines()[0])
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--data", nargs="+", type=Path, metavar="DIR", help="data sets such as Set5 and Set14")
    action.add_argument("--tables", action="store_true", help="write the tables from the committed figures and stop")
    parser.add_argument("--models", nargs="+", choices=zoo.names(), metavar="NAME", help="bundled models (all)")
    parser.add_argument("--write", action="store_true", help="write the measured figures and the tables")
    return parser


if __name__ == "__main__":
    common.run(main)
