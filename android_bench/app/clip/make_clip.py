"""Make the clip of the demo app: bundled images under a moving camera, with a tick and a dot each second.

    python android_bench/app/clip/make_clip.py android_bench/app/clip/clip.mp4

It needs PyAV (`pip install av`). The images and their licenses are in ecbsr_mobile/zoo/pictures. Tick and dot show
whether sound and picture are in step.
"""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

PICTURES = Path(__file__).parents[3] / "ecbsr_mobile" / "zoo" / "pictures"
SCENES = ("chelsea", "coffee", "astronaut", "rocket")
WIDTH, HEIGHT = 320, 180
RATE = 25  # pictures per second
SCENE_FRAMES = 2 * RATE
SOUND_RATE = 44100
FADE = 5  # pictures


def main() -> None:
    """Write the clip."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    with av.open(str(out), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
        video = container.add_stream(
            "libx264", RATE, width=WIDTH, height=HEIGHT, pix_fmt="yuv420p", options={"crf": "23", "preset": "veryslow"}
        )
        video.codec_context.thread_count = 1  # the same bytes on every machine
        for name, value in {"color_range": 1, "colorspace": 6, "color_primaries": 6, "color_trc": 6}.items():
            setattr(video.codec_context, name, value)  # BT.601, limited range
        sound = container.add_stream("aac", SOUND_RATE, layout="mono", bit_rate=48000)
        for index in range(len(SCENES) * SCENE_FRAMES):
            frame = av.VideoFrame.from_ndarray(picture(index), "bgr24").reformat(
                format="yuv420p", dst_colorspace="ITU601", dst_color_range="MPEG"
            )
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(video.encode(frame))
        for start, samples in ticks():
            audio = av.AudioFrame.from_ndarray(samples[None], "fltp", "mono")
            audio.pts, audio.sample_rate, audio.time_base = start, SOUND_RATE, Fraction(1, SOUND_RATE)
            container.mux(sound.encode(audio))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))


def picture(index: int) -> np.ndarray:
    """One picture of the clip, HEIGHT x WIDTH x 3 in BGR: a scene, faded from the previous one."""
    scene, position = divmod(index, SCENE_FRAMES)
    result = view(SCENES[scene], position / SCENE_FRAMES)
    if scene and position < FADE:
        share = (position + 1) / (FADE + 1)
        result = cv2.addWeighted(result, share, view(SCENES[scene - 1], 1 + position / SCENE_FRAMES), 1 - share, 0)
    if index % RATE < 3:
        cv2.circle(result, (WIDTH - 16, HEIGHT - 16), 8, (255, 255, 255), -1, cv2.LINE_AA)
    return result


def view(name: str, time: float) -> np.ndarray:
    """What the camera sees of an image: it zooms out of the center and turns a little, `time` in 0..1 and beyond."""
    image = cv2.imread(str(PICTURES / f"{name}.png"), cv2.IMREAD_COLOR)
    height, width = image.shape[:2]
    widest = min(width, height * WIDTH / HEIGHT) / WIDTH
    zoom = 1 + (widest * 0.92 - 1) * min(time, 1.1)  # image pixels per pixel of the clip
    center = (width / 2 + 6 * np.sin(3 * time), height / 2 + 4 * np.cos(2 * time))
    matrix = cv2.getRotationMatrix2D(center, 2 * np.sin(2.5 * time), 1 / zoom)
    matrix[:, 2] += (WIDTH / 2 - center[0], HEIGHT / 2 - center[1])
    return cv2.warpAffine(image, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def ticks() -> list[tuple[int, np.ndarray]]:
    """The sound in pieces of one AAC frame, with the start of each: a short tone at each full second."""
    seconds = len(SCENES) * SCENE_FRAMES / RATE
    time = np.arange(int(seconds * SOUND_RATE)) % SOUND_RATE / SOUND_RATE
    tone = np.where(time < 0.06, 0.4 * np.sin(2 * np.pi * 880 * time) * np.exp(-time * 60), 0).astype(np.float32)
    return [(start, tone[start : start + 1024]) for start in range(0, len(tone), 1024)]


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
