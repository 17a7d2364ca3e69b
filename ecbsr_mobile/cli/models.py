"""`ecbsr models`: the bundled models, what each costs and gives, and which to take."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import zoo
from ..utils.files import check_outputs, write_bytes
from . import common, paths, tables

if TYPE_CHECKING:
    from ..zoo.cards import ModelCard


def main(argv: list[str] | None = None) -> int:
    """Print the table of all models, or the card of each that is named; write cards where a folder is given."""
    options = parser().parse_args(argv)
    from ..zoo.cards import card, cards

    chosen = tuple(map(card, dict.fromkeys(options.names))) or cards()
    if options.out:
        files = {Path(options.out, f"{each.name}.md"): each for each in chosen}
        check_outputs(files, options.overwrite)
        for path, each in files.items():
            write_bytes(path, each.markdown().encode(), options.overwrite)
            common.notice(f"{path}: written")
    if options.json:
        common.print_json({"models": {each.name: each for each in chosen}, "recommended": zoo.RECOMMENDED})
    elif options.names:
        common.print_line("\n".join(each.markdown(front_matter=False) for each in chosen).rstrip())
    elif not options.out:
        _print_table(chosen)
    return common.DONE


def script() -> None:
    """The command's entry point."""
    common.run(main)


def parser() -> argparse.ArgumentParser:
    """The command's parser."""
    result = common.parser(
        "ecbsr-models",
        "List the bundled models, and which to take; with names, print the card of each.",
    )
    result.add_argument("names", nargs="*", metavar="NAME", choices=zoo.names(), help="a bundled model")
    result.add_argument("--out", metavar="DIR", type=paths.OUTPUT_FOLDER,
                        help="write the cards as DIR/NAME.md, with the YAML that model hubs read")  # fmt: skip
    common.add_overwrite_option(result)
    result.add_argument("--json", action="store_true", help="print the result as JSON")
    return result


def _print_table(cards: Sequence[ModelCard]) -> None:
    from ..zoo.cards import LICENSE_WORDS, recommended_at

    sets = list(cards[0].quality)
    data_sets = dict.fromkeys(name for card in cards for name in card.trained_on)
    common.print_line("Which to take:")
    for scale in sorted({card.scale for card in cards}):
        for name, targets in recommended_at(scale).items():
            common.print_line(f"  x{scale} on {', '.join(targets)}: {name}")
    for card in cards:
        if card.name == card.real_name:
            common.print_line(f"  x{card.scale}, compressed pictures: {card.name}")
    common.print_line()
    header = ["model", "kB", "GMAC", *sets, "loss", "time"]
    tables.print_table(header, [_row(card) for card in cards])
    timed = next(card.relative_time for card in cards if card.relative_time)
    common.print_line()
    notes = (
        "kB: the int8 .tflite.",
        "GMAC: billions of multiply-accumulate operations for a result of 1280x720.",
        f"{', '.join(sets)}: PSNR of fp32 in dB, on luma.",
        f"loss: dB on {zoo.LOSS_SET}, of the int8 file for CPUs against the float network with the same 8-bit input.",
        f"time: of int8, over the fp32 file of ecbsr-m4c16 of the same scale (LR {timed.size}, 1 thread, "
        f"{timed.machine}); another processor gives other ratios: ecbsr bench measures yours.",
        "-: not measured.",
        LICENSE_WORDS,
        f"Trained on {', '.join(data_sets)}; the card of a model has the terms of its pictures.",
        "The card of a model: ecbsr models NAME.",
    )
    for note in notes:
        common.print_line(textwrap.fill(note, 78, subsequent_indent="  "))


def _row(card: ModelCard) -> list[str]:
    time = card.relative_time
    return [
        card.name,
        f"{card.bytes['int8'] / 1000:.0f}",
        f"{card.gmacs_720p:.1f}",
        *(f"{quality.fp32[0]:.2f}" for quality in card.quality.values()),
        f"{card.quality[zoo.LOSS_SET].int8_loss_db:.2f}",
        f"{time.ratio:.2f}" if time else "-",
    ]
