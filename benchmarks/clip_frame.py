"""Write a frame of an upscaled clip: the left half by bicubic, the right half by the network.

    python benchmarks/clip_frame.py docs/images/clip.jpg

It is the first frame of `ecbsr upscale CLIP --compare`, here of the Android app's clip.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from ecbsr_mobile.cli import common
from ecbsr_mobile.utils.guard import TemporaryFolder

CLIP = Path(__file__).parents[1] / "android_bench" / "app" / "clip" / "clip.mp4"
START = Fraction(4, 5)


def main(argv: list[str] | None = None) -> None:
    parser = common.parser("clip_frame.py", __doc__.splitlines()[0])
    parser.add_argument("out", help="the image to write")
    parser.add_argument("--clip", default=str(CLIP), help="(%(default)s)")
    options = parser.parse_args(argv)
    import av

    from ecbsr_mobile import Picture, images
    from ecbsr_mobile.video import pipeline

    compared = pipeline.Options(crf=10, start=START, duration=Fraction(1, 25), compare=True)
    with TemporaryFolder("ecbsr-clip-") as folder:
        both = Path(folder) / "both.mkv"
        pipeline.upscale_clip(options.clip, both, options=compared)
        with av.open(str(both)) as source:
            frame = next(source.decode(video=0)).to_ndarray(format="rgb24")
    images.write(Picture(frame), options.out, quality=88)
    print(f"{options.out}: {frame.shape[1]}x{frame.shape[0]}")


if __name__ == "__main__":
    common.run(main)
