"""Compare the speed of upscaling a clip with that of the network alone on the same frames.

    python benchmarks/video_speed.py

For 480x270 → 960x540 and 960x540 → 1920x1080: the speed of the whole, from H.264 to H.264, over that of the network
alone, which runs as many frames side by side. The clip pans over the bundled images. The second ratio is that of
processor time, on which other programs of the machine have less influence.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interleaved import add_rounds_option, compare, processor

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import UsageError
from ecbsr_mobile.utils.guard import TemporaryFolder

if TYPE_CHECKING:
    from ecbsr_mobile.tflite_model import SizedTflite

SIZES = ((480, 270, 60), (960, 540, 24))  # width, height, frames


def main(argv: list[str] | None = None) -> None:
    parser = common.parser("video_speed.py", __doc__.splitlines()[0])
    parser.add_argument("--model", default=str(zoo.tflite(zoo.DEFAULT)), help="a .tflite (%(default)s)")
    parser.add_argument("--codec", default="h264", help="codec of the output (%(default)s)")
    add_rounds_option(parser)
    options = parser.parse_args(argv)
    print(f"{processor()}, {os.cpu_count()} cores, {Path(options.model).stem}, {options.codec}")
    with TemporaryFolder("ecbsr-video-") as folder:
        for width, height, frames in SIZES:
            print(_line(Path(folder), width, height, frames, options), flush=True)


def _line(folder: Path, width: int, height: int, frames: int, options: argparse.Namespace) -> str:
    from ecbsr_mobile.tflite_model import TfliteModel
    from ecbsr_mobile.video import pipeline, upscaler
    from ecbsr_mobile.video.probe import probe

    source, output = folder / f"{width}.mp4", folder / f"{width}-x2.mp4"
    write_clip(source, width, height, frames)
    clip, model = probe(source), TfliteModel(options.model)
    workers, threads = upscaler.parallel(model, clip.size)
    stored = _first(model.sized(width, height)).io.input.store(_noise(height, width))
    seconds = {"whole": 0.0, "alone": 0.0}  # of the processor

    def timed(name: str, function: Any) -> None:
        start = time.process_time()
        function()
        seconds[name] += time.process_time() - start

    def whole() -> None:
        pipeline.upscale_clip(source, output, model, pipeline.Options(codec=options.codec), True, clip=clip)

    def run(count: int) -> None:
        network = _first(model.sized(width, height, threads))  # as the whole does
        for _ in range(count):
            network.run(stored)

    def alone() -> None:
        shares = [frames // workers + (index < frames % workers) for index in range(workers)]
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(run, shares))

    result = compare(lambda: timed("whole", whole), lambda: timed("alone", alone), options.rounds)
    ratio = result.ratio
    return (
        f"{width}x{height} -> {width * 2}x{height * 2}: {frames / result.seconds:.1f} of "
        f"{frames / result.baseline_seconds:.1f} frames/s, {1 / ratio.mean:.3f} ({1 / ratio.high:.3f} to "
        f"{1 / ratio.low:.3f}); processor time {seconds['alone'] / seconds['whole']:.3f}"
    )


def _first(network: SizedTflite | None) -> SizedTflite:
    if network is None:
        raise UsageError("the model cannot be resized; its speed depends on tiles")
    return network


def write_clip(path: Path, width: int, height: int, frames: int) -> None:
    """A clip in H.264 that pans over the bundled images by two pixels a frame."""
    import av
    import numpy as np

    from ecbsr_mobile import images

    tiles = [images.read(picture).rgb()[:168, :192] for picture in zoo.pictures()]
    rows = -(-(height + 2 * frames) // 168)
    columns = -(-(width + 2 * frames) // 192)
    picture = np.vstack(
        [np.hstack([tiles[(row * 3 + column) % len(tiles)] for column in range(columns)]) for row in range(rows)]
    )
    with av.open(str(path), "w") as target:
        stream: Any = target.add_stream("libx264", rate=25, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            window = picture[2 * index : 2 * index + height, 2 * index : 2 * index + width]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(window), "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))


def _noise(height: int, width: int) -> Any:
    import numpy as np

    return np.random.default_rng(0).uniform(size=(height, width, 1)).astype(np.float32)


if __name__ == "__main__":
    common.run(main)
