"""What there is to know of each bundled model, for `ecbsr models` and for model hubs; all from the stored figures."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..errors import EcbsrError, UsageError
from ..utils.templates import environment
from . import (
    FOLDER,
    LOSS_SET,
    RECOMMENDED,
    clean_name,
    figures,
    for_real_pictures,
    names,
    of_same_network,
    tflite,
    times,
    unknown,
    weights,
)

LICENSE = "Apache-2.0"
LICENSE_WORDS = (
    "The weights were trained by this project and are under Apache-2.0: use, change and sell them, with the license "
    "text. The pictures that they were trained on are not included, and belong to others. Whether the terms of "
    "pictures reach weights is not settled; this project cannot answer it for you."
)

_ACTIVATIONS = {"prelu": "PReLU", "leaky": "one learned slope per layer", "relu": "ReLU"}


@dataclass(frozen=True)
class RelativeTime:
    """The time of an int8 file over that of the fp32 file of `ecbsr-m4c16` of the same scale, on one CPU thread.

    Attributes:
        ratio: geometric mean; below 1 is faster.
        low: lower limit of the 95 % interval.
        high: upper limit.
        machine: the processor.
        size: the LR input, such as "540p".
    """

    ratio: float
    low: float
    high: float
    machine: str
    size: str


@dataclass(frozen=True)
class Quality:
    """PSNR in dB and SSIM on a data set: luma, border = scale, of fp32, of int8, and of bicubic.

    Attributes:
        fp32: (PSNR, SSIM) of the float network.
        int8: (PSNR, SSIM) of the int8 file.
        bicubic: (PSNR, SSIM) of bicubic.
        int8_loss_db: what int8 loses against the float network on the same 8-bit input.
    """

    fp32: tuple[float, float]
    int8: tuple[float, float]
    bicubic: tuple[float, float]
    int8_loss_db: float


@dataclass(frozen=True)
class Compressed:
    """PSNR in dB on compressed LR images, of bicubic and of the models of one network for clean and for real pictures.

    Attributes:
        degraded_by: such as "jpeg:50", a quality.
        bicubic: of bicubic.
        clean: of the int8 file for clean pictures.
        real: of the int8 file for real pictures.
    """

    degraded_by: str
    bicubic: float
    clean: float
    real: float


@dataclass(frozen=True)
class PictureTerms:
    """What the publishers of a data set state about its pictures, from `training_pictures.toml`.

    Attributes:
        name: of the data set.
        terms: a part of a sentence.
        commercial: whether they allow commercial use of the pictures.
        source: where they are stated.
    """

    name: str
    terms: str
    commercial: bool
    source: str


@dataclass(frozen=True)
class ModelCard:
    """A bundled model.

    Attributes:
        name: such as `ecbsr-m4c16-x2`.
        scale: upscaling factor.
        colors: 1 for luma, 3 for RGB.
        activation: in words.
        parameters: number of weights.
        gmacs_720p: billions of multiplications and additions for a result of 1280x720.
        bytes: size of the `int8` and `fp32` `.tflite`, and of the `weights`.
        quality: by data set.
        relative_time: None where it was not measured.
        recommended_for: targets for which this is the model to take at its scale.
        trained_on: the data sets that the model was trained on.
        picture_terms: of each of them.
        compressed: on `LOSS_SET`; empty where there is no model of this network for real pictures.
        license: of the weights, as SPDX writes it.
        license_words: the same in words.
    """

    name: str
    scale: int
    colors: int
    activation: str
    parameters: int
    gmacs_720p: float
    bytes: dict[str, int]
    quality: dict[str, Quality]
    relative_time: RelativeTime | None
    recommended_for: tuple[str, ...]
    trained_on: tuple[str, ...]
    picture_terms: tuple[PictureTerms, ...]
    compressed: tuple[Compressed, ...] = ()
    license: str = LICENSE
    license_words: str = LICENSE_WORDS

    @property
    def summary(self) -> str:
        """What the network is, in a sentence."""
        colors = "luma; chroma is enlarged by bicubic" if self.colors == 1 else "RGB"
        return f"ECBSR for x{self.scale} super-resolution on phones, on {colors}; {self.activation}."

    @property
    def advice(self) -> str:
        """What to take it for, in a sentence."""
        if self.name == self.real_name:
            return (
                "For pictures that were compressed before, as most from the web are; for clean ones take "
                f"{self.clean_name}."
            )
        if self.recommended_for:
            return f"The model to take at x{self.scale} for: {', '.join(self.recommended_for)}."
        others = [f"{other} for {', '.join(targets)}" for other, targets in recommended_at(self.scale).items()]
        return f"Recommended at x{self.scale}: {'; '.join(others)}." if others and self.colors == 1 else ""

    @property
    def clean_name(self) -> str:
        """The model of this network for clean pictures: this one, or the one beside it."""
        return clean_name(self.name)

    @property
    def real_name(self) -> str:
        """The model of this network for compressed pictures; "" if there is none."""
        return real_name(self.clean_name)

    @property
    def commercial_use(self) -> str:
        """Whether the terms of all its training pictures allow commercial use, in a sentence."""
        others = [terms.name for terms in self.picture_terms if not terms.commercial]
        if others:
            return f"The terms of {' and '.join(others)} do not grant commercial use of the pictures."
        return "The terms of all of these pictures allow commercial use."

    def markdown(self, *, front_matter: bool = True) -> str:
        """The card as Markdown; with the YAML that model hubs read, unless `front_matter` is false."""
        template = environment("ecbsr_mobile.zoo", escape=False).get_template("card.md.j2")
        return template.render(card=self, front_matter=front_matter, loss_set=LOSS_SET)


def recommended_at(scale: int) -> dict[str, tuple[str, ...]]:
    """The recommended models of a scale, and the targets of each."""
    targets: dict[str, tuple[str, ...]] = {}
    measured = figures()
    for target, pair in RECOMMENDED.items():
        for name in pair:
            if measured[name]["scale"] == scale:
                targets[name] = (*targets.get(name, ()), target)
    return targets


def real_name(clean: str) -> str:
    """The model for compressed pictures beside one for clean ones; "" if there is none."""
    return next((real for real, other in for_real_pictures().items() if other == clean), "")


def cards() -> tuple[ModelCard, ...]:
    """The card of every bundled model, by scale, then by cost."""
    return tuple(sorted(map(card, names()), key=lambda card: (card.scale, card.gmacs_720p, card.name)))


def card(name: str) -> ModelCard:
    """The card of one bundled model.

    Raises:
        UsageError: there is no such model.
        EcbsrError: it is being added, and is not measured yet, or has no recipe.
    """
    if name not in names():
        raise UsageError(unknown(name))
    if name not in figures():
        raise EcbsrError(f"{name} has no figures yet; measure it: make zoo-check MODELS={name} WRITE=--write")
    if name not in _document("recipes.toml"):
        raise EcbsrError(f"{name} has no recipe yet; add its stages to {FOLDER / 'recipes.toml'}")
    model, measured = figures()[name], times()
    ratio, low, high = measured["times"].get(of_same_network(name), (None, None, None))
    terms = picture_terms(name)
    return ModelCard(
        name=name,
        scale=model["scale"],
        colors=model["colors"],
        activation=_ACTIVATIONS[model["activation"]],
        parameters=model["parameters"],
        gmacs_720p=model["gmacs_720p"],
        bytes={
            "int8": tflite(name).stat().st_size,
            "fp32": tflite(name, "fp32").stat().st_size,
            "weights": weights(name).stat().st_size,
        },
        quality={data_set: _quality(scores) for data_set, scores in model["sets"].items()},
        relative_time=RelativeTime(ratio, low, high, measured["machine"], measured["size"]) if ratio else None,
        recommended_for=tuple(target for target, pair in RECOMMENDED.items() if name in pair),
        trained_on=tuple(each.name for each in terms),
        picture_terms=terms,
        compressed=_compressed(name),
    )


def _compressed(name: str) -> tuple[Compressed, ...]:
    clean = clean_name(name)
    real = real_name(clean)
    if real not in figures():  # none, or not measured yet
        return ()
    of_real = figures()[real]["compressed"]
    return tuple(
        Compressed(text, psnrs["bicubic"], psnrs["int8"], of_real[text]["int8"])
        for text, psnrs in figures()[clean].get("compressed", {}).items()
    )


def picture_terms(name: str) -> tuple[PictureTerms, ...]:
    """The terms of the data sets in the stages of a model's recipe."""
    pictures = _document("training_pictures.toml")
    mixes = {stage["pictures"] for stage in _document("recipes.toml")[name]}
    used = {data_set for mix in mixes for data_set in pictures["mixes"][mix]}
    return tuple(PictureTerms(each, **terms) for each, terms in pictures["sets"].items() if each in used)


@cache
def _document(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))


def _quality(scores: dict[str, list[float]]) -> Quality:
    def pair(kind: str) -> tuple[float, float]:
        psnr, ssim = scores[kind]
        return psnr, ssim

    loss = round(scores["fp32 of 8-bit input"][0] - scores["int8"][0], 3)
    return Quality(pair("fp32"), pair("int8"), pair("bicubic"), loss)
