"""Measure the bundled models anew and compare with their card and the README; `--write` brings these up to date.

The figures lie in `ecbsr_mobile/zoo/figures.json`; the tables in the two READMEs are made of them.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ecbsr_mobile import TfliteModel, TorchModel, evaluation, load, zoo
from ecbsr_mobile.dataset import pairs
from ecbsr_mobile.utils.progress import bar

ROOT = Path(__file__).parent.parent
CARDS = (ROOT / "README.md", zoo.FOLDER / "README.md")
BEGIN, END = "<!-- figures: make zoo-check -->", "<!-- end of figures -->"
TOLERANCE = 0.005  # dB: other processors round the last bit of a convolution in another way


class Rounded:
    """A float model that is fed what an int8 one is: LR in 8 bits."""

    def __init__(self, model: TorchModel) -> None:
        self.model, self.name, self.radius = model, model.name, model.radius
        self.scale, self.colors = model.scale, model.colors

    def run(self, image: np.ndarray) -> np.ndarray:
        """See `Model.run`."""
        return self.model.run(np.floor(image * np.float32(255) + np.float32(0.5)) / np.float32(255))


def measured(name: str, folders: list[Path]) -> dict[str, Any]:
    """The figures of one bundled model."""
    net = load(name)
    arch = net.architecture
    models = {
        "fp32": TorchModel(net),
        "fp32 of 8-bit input": Rounded(TorchModel(net)),
        "int8": TfliteModel(zoo.tflite(name)),
    }
    found: dict[str, Any] = {
        "scale": arch.scale,
        "colors": arch.colors,
        "activation": arch.activation,
        "parameters": net.parameters_count,
        "gmacs_720p": round(arch.multiplications * 1280 * 720 / arch.scale**2 / 1e9, 2),
        "sets": {},
    }
    for folder in folders:
        held = list(bar(list(pairs(folder, arch.scale)), f"{name}, {folder.name}"))
        entry: dict[str, Any] = {}
        for kind, model in models.items():
            score = evaluation.mean(kind, [evaluation.score(model, pair) for pair in held])
            entry[kind] = [round(score.psnr, 3), round(score.ssim, 4)]
            entry["bicubic"] = [round(score.bicubic_psnr, 3), round(score.bicubic_ssim, 4)]
        found["sets"][folder.name] = entry
    return found


def table(figures: dict[str, Any]) -> str:
    """The figures as a Markdown table: PSNR in dB / SSIM."""
    sets = list(next(iter(figures.values()))["sets"])
    columns = [f"{each}{kind}" for each in sets for kind in ("", ", int8")]
    header = ["model", "parameters", "GMACs", *columns, f"int8's loss, {sets[-1]}"]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    scales: list[int] = []
    for name, model in sorted(figures.items(), key=lambda item: (item[1]["scale"], item[1]["gmacs_720p"], item[0])):
        held = model["sets"]
        if model["scale"] not in scales:
            scales.append(model["scale"])
            cells = [cell for each in sets for cell in (_score(held[each]["bicubic"]), "")]
            lines.append(f"| bicubic x{model['scale']} | | | {' | '.join(cells)} | |")
        cells = [_score(held[each][kind]) for each in sets for kind in ("fp32", "int8")]
        loss = held[sets[-1]]["fp32 of 8-bit input"][0] - held[sets[-1]]["int8"][0]
        size = f"{model['parameters']:,} | {model['gmacs_720p']:.2f}"
        lines.append(f"| `{name}` | {size} | {' | '.join(cells)} | {loss:.3f} dB |")
    return "\n".join(lines)


def _score(psnr_and_ssim: list[float]) -> str:
    return "{:.2f} / {:.4f}".format(*psnr_and_ssim)


def differences(found: dict[str, Any], stated: dict[str, Any]) -> list[str]:
    """In what the figures differ from those that the repository states, by more than rounding."""
    said = []
    for name in sorted(found.keys() | stated.keys()):
        if name not in found or name not in stated:
            said.append(f"{name}: is {'not stated' if name in found else 'stated, but not bundled'}")
            continue
        for each, entry in found[name]["sets"].items():
            for kind, (psnr, _) in entry.items():
                before = stated[name]["sets"].get(each, {}).get(kind)
                if before is None or not abs(before[0] - psnr) <= TOLERANCE:
                    said.append(f"{name}, {kind}, {each}: is {psnr}, stated as {before and before[0]}")
    return said


def main() -> int:
    """Measure, compare or write; 1 if something differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", nargs="+", type=Path, required=True, metavar="DIR", help="folders such as Set5, Set14"
    )
    parser.add_argument("--write", action="store_true", help="write the figures and the tables")
    options = parser.parse_args()
    found = {name: measured(name, options.data) for name in zoo.names()}
    new = table(found)
    print(new)
    if options.write:
        zoo.FIGURES.write_text(json.dumps(found, indent=1) + "\n")
    said = differences(found, zoo.figures())
    for card in CARDS:
        text = card.read_text()
        before, _, rest = text.partition(BEGIN)
        held, _, after = rest.partition(END)
        if options.write:
            card.write_text(f"{before}{BEGIN}\n{new}\n{END}{after}")
        elif held.strip() != table(zoo.figures()):
            said.append(f"{card.relative_to(ROOT)}: its table is not that of {zoo.FIGURES.name}; run with --write")
    print("\n".join(said) or "as stated", file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
