"""Write the references of the app's JVM tests: models, images, and the results of the Python implementation.

    python -m tests.helpers.make_app_fixtures build/app/fixtures [--models ecbsr_mobile/zoo]

android_bench/app/run-tests.sh runs it before the tests, so that both sides come from the same revision.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from android_bench.output_check import read_io
from ecbsr_mobile import images, tflite, zoo
from ecbsr_mobile.cli import upscale
from ecbsr_mobile.images import Picture
from ecbsr_mobile.tflite import Graph
from ecbsr_mobile.tflite.four_pixels import with_four_pixels
from ecbsr_mobile.tflite_model import TfliteModel
from tests.helpers import upscalers
from tests.helpers.tflite_models import GraphBuilder, plain_network

PICTURES = ("chelsea", "coffee", "text")
SMALLER = "ecbsr-m4c8-x2"
"""What the app falls back to when a phone is too slow for the others; it is bundled, too."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", type=Path, default=zoo.FOLDER, help="folder with the bundled models")
    options = parser.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    for name in ("pictures", "models", "wrong", "upscaled", "luma", "bicubic", "video", "ranges"):
        (options.out / name).mkdir(parents=True)
    write_pictures(options.out / "pictures")
    write_models(options.out, options.models)
    for picture in sorted((options.out / "pictures").iterdir()):
        write_expected(picture, options.out)
    write_video(options.out)
    write_ranges(options.out / "ranges")


def write_pictures(folder: Path) -> None:
    for name in PICTURES:
        shutil.copy(zoo.FOLDER / "pictures" / f"{name}.png", folder)
    cat = images.read(zoo.FOLDER / "pictures" / "chelsea.png").pixels
    images.write(Picture(cat[100:101, 200:201].copy()), folder / "one-pixel.png")
    images.write(Picture(cat[60:65, 100:103].copy()), folder / "tiny.png")
    across = np.broadcast_to(np.arange(60, dtype=np.uint8) * 4, (50, 60)).copy()
    images.write(Picture(cat[80:130, 120:180].copy(), across), folder / "transparent.png")
    images.write(Picture(np.tile(cat, (2, 2, 1))), folder / "wide.png")  # several tiles each way


def write_models(out: Path, bundled: Path) -> None:
    for name in (*zoo.RECOMMENDED["gpu"], SMALLER):
        for path in sorted(bundled.glob(f"{name}-*.tflite")):
            shutil.copy(path, out / "models")
    for name, graph in {
        "made-rgb-x3-float": plain_network(size=(64, 48), colors=3, scale=3),
        "made-rgb-x2-uint8": uint8_rgb(),
        "made-y-x4-int8": plain_network("int8", size=(32, 24), scale=4, blocks=2),
        "made-y-x2-four-int8": with_four_pixels(plain_network("int8", size=(32, 24), blocks=2)),
        "made-y-x2-open": with_dynamic_size(plain_network(size=(1, 1))),
        "made-y-x2-fixed": fixed_size(),
    }.items():
        (out / "models" / f"{name}.tflite").write_bytes(tflite.write(graph))
    for name, graph in unusable_graphs().items():
        (out / "wrong" / f"{name}.tflite").write_bytes(tflite.write(graph))
    (out / "models.json").write_text(json.dumps({p.stem: description(p) for p in sorted((out / "models").iterdir())}))


def description(path: Path) -> dict[str, object]:
    graph = tflite.read(path)
    return {"operators": tflite.operators(graph), "scale": tflite.scale_of(graph), "size": tflite.input_size(graph)}


def write_expected(picture: Path, out: Path) -> None:
    pixels = images.read(picture).rgb()
    (out / "luma" / f"{picture.stem}.f32").write_bytes(images.luma(pixels).tobytes())
    height, width = pixels.shape[:2]
    alpha = images.read(picture).alpha
    visible = pixels if alpha is None else images.filled(pixels, alpha)
    for scale in (2, 3, 4):
        larger = images.resize_bicubic(visible, (width * scale, height * scale))
        images.write(Picture(larger), out / "bicubic" / f"{picture.stem}-x{scale}.png")
    for model in sorted((out / "models").glob("*.tflite")):
        if picture.stem in ("coffee", "wide") and not model.stem.endswith("-int8"):
            continue
        if model.stem == "made-y-x2-fixed":
            continue  # its size is fixed, and the command does not crop images to it
        if "rgb" in model.stem and picture.stem == "text":
            continue  # the command keeps a gray file gray; Android has no gray bitmaps
        target = out / "upscaled" / f"{model.stem}--{picture.stem}.png"
        if upscale.main([str(picture), str(target), "--model", str(model), "--json"]):
            sys.exit(f"ecbsr-upscale failed for {model.name} and {picture.name}")


def write_video(out: Path) -> None:
    """Luma of limited range in 8 bits, as a video has it, and what luma models make of it."""
    for picture in ("chelsea", "tiny"):
        luma = np.rint(images.luma(images.read(out / "pictures" / f"{picture}.png").rgb())).astype(np.uint8)
        (out / "video" / f"{picture}.y").write_bytes(luma.tobytes())
        for model in sorted((out / "models").glob("*.tflite")):
            if "rgb" in model.stem or "fixed" in model.stem:
                continue
            upscaled = 255 * TfliteModel(model, threads=1).run((luma[..., None] / 255).astype(np.float32))
            rounded = np.floor(np.clip(upscaled, 0, 255) + 0.5).astype(np.uint8)
            (out / "video" / f"{model.stem}--{picture}.y").write_bytes(rounded.tobytes())


def write_ranges(folder: Path) -> None:
    """Float files that do not state their range, the ranges that Python finds, and what it makes of a picture."""
    graphs = {
        "unit": replace(tflite.read(zoo.tflite(zoo.DEFAULT, "fp32")), metadata={}),
        "unit-x4": replace(tflite.read(zoo.tflite("ecbsr-m4c16-x4", "fp32")), metadata={}),
        "bytes": upscalers.bundled_in_0_255(),
        "bytes-x4": upscalers.bundled_in_0_255("ecbsr-m4c16-x4"),
        "signed": upscalers.bundled_for(-1, 1),
        "mixed-rgb": upscalers.between_ranges("bytes", "unit"),
    }
    picture, found = zoo.FOLDER / "pictures" / "chelsea.png", {}
    for name, graph in graphs.items():
        path = folder / f"{name}.tflite"
        path.write_bytes(tflite.write(graph))
        io, _ = read_io(path.read_bytes(), graph, 60, threading.Event())
        found[name] = [str(side.values) for side in (io.input, io.output)]
        if upscale.main([str(picture), str(folder / f"{name}.png"), "--model", str(path), "--quiet"]):
            sys.exit(f"ecbsr-upscale failed for {name}")
    (folder / "ranges.json").write_text(json.dumps(found))


def with_dynamic_size(graph: Graph) -> Graph:
    """The graph with dynamic height and width, as a converter writes it."""
    tensors = [replace(t, signature=(1, -1, -1, t.shape[3])) if t.data is None else t for t in graph.tensors]
    return replace(graph, tensors=tuple(tensors))


def uint8_rgb() -> Graph:
    """RGB in uint8 with one weight scale per tensor, as older converters wrote it."""
    make = GraphBuilder("uint8", scale=(1 / 255, 0))
    image = make.input((1, 48, 64, 3))
    return make.graph(make.depth_to_space(make.conv(image, 12, per_channel=False, weight_zero_point=128), 2))


def fixed_size(width: int = 64, height: int = 48) -> Graph:
    """A network with an operator that reads the whole image: it can be neither resized nor tiled exactly."""
    make = GraphBuilder()
    image = make.input((1, height, width, 1))
    features = make.conv(image, 4)
    axes = make.constant(np.array([1, 2], np.int32))
    mean = make.node("MEAN", [features, axes], (1, 1, 1, 4), options=schema.ReducerOptionsT(keepDims=True))
    return make.graph(make.depth_to_space(make.add(features, mean), 2))


def unusable_graphs() -> dict[str, Graph]:
    def graph(shape: tuple[int, ...], outputs: int, block: int = 2) -> Graph:
        make = GraphBuilder()
        source = make.conv(make.input(shape), outputs)
        return make.graph(make.depth_to_space(source, block) if block > 1 else source)

    two = GraphBuilder()
    sum_of_two = two.add(two.input((1, 8, 8, 1)), two.input((1, 8, 8, 1)))
    classifier = GraphBuilder()
    picture = classifier.input((1, 8, 8, 3))
    axes = classifier.constant(np.array([1, 2], np.int32))
    return {
        "two-inputs": two.graph(sum_of_two),
        "classifier": classifier.graph(
            classifier.node("MEAN", [picture, axes], (1, 3), options=schema.ReducerOptionsT(keepDims=False))
        ),
        "four-channels": graph((1, 8, 8, 4), 16),
        "two-pictures": graph((2, 8, 8, 1), 4),
        "other-colors": graph((1, 8, 8, 3), 4),
        "not-larger": graph((1, 8, 8, 1), 1, block=1),
        "channels-first": upscalers.DOUBLING["NCHW"](),
        "too-small": fixed_size(4, 4),
        "too-large": fixed_size(60000, 60000),
    }


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
